"""A curve that is drawn while it is laid out or removed, as a loaded machine does it."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets import Static

from mlbench.tui.curve import Curve, Drawing

DRAWING = Drawing(
    title=Content("loss"),
    x=[0.0, 1.0, 2.0],
    y=[1.0, 0.5, 0.25],
    noisy=False,
    best=(2.0, 0.25),
    colour="#4477aa",
    tasks=2,
)


class Alone(App[None]):
    def compose(self) -> ComposeResult:
        yield Curve("training tasks", id="curve")


@pytest.mark.parametrize("part", [".title", "#plot", "#legend", "Plot"])
async def test_a_curve_of_which_a_part_is_gone_is_not_drawn(part: str) -> None:
    async with Alone().run_test() as pilot:
        curve = pilot.app.query_one(Curve)
        curve.draw(DRAWING)
        await curve.query(part).remove()
        curve.draw_again()
        await curve.remove()
        curve.draw_again()


async def test_a_curve_that_is_drawn_before_it_is_laid_out_is_drawn_then() -> None:
    class Early(App[None]):
        def compose(self) -> ComposeResult:
            yield Static()

    async with Early().run_test() as pilot:
        curve = Curve("training tasks", id="curve")
        mounting = pilot.app.mount(curve)
        curve.draw(DRAWING)
        await mounting
        await pilot.pause()
        assert str(curve.query_one(".title", Static).render()) == "loss"
