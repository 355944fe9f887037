"""Choices on one line and in forms: what they offer is shown as it is written."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Select

from mlbench.tui.chooser import Chooser
from mlbench.tui.form_rows import ChoiceRow
from tests.tui.conftest import text_of

BROKEN = "mine  SyntaxError: [/b] was never closed [at line 3]"


class Choices(App[None]):
    def compose(self) -> ComposeResult:
        yield Chooser(id="shown")
        yield ChoiceRow(
            "algorithm", "Technique", [("maml  fine", "maml"), (BROKEN, "mine")], "mine"
        )


async def test_brackets_in_what_is_offered_are_no_markup() -> None:
    async with Choices().run_test(size=(100, 20)) as pilot:
        chooser = pilot.app.query_one(Chooser)
        chooser.offer([(f"1/1  {BROKEN}", "it")])
        await pilot.pause()
        assert text_of(pilot.app).count(BROKEN) == 2
        assert chooser.chosen == "it"
        pilot.app.query(Select).last().expanded = True
        await pilot.pause()
        assert text_of(pilot.app).count(BROKEN) == 3
        await pilot.press("m", "a", "enter")  # typing finds one
        assert pilot.app.query_one(ChoiceRow).choice == "maml"
