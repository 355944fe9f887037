"""The list of keys."""

from __future__ import annotations

import pytest

from mlbench.tui.app import Dashboard
from mlbench.tui.help_screen import HelpScreen
from mlbench.tui.runs_screen import RunsScreen
from tests.tui.conftest import StillFeed, settled, text_of


async def test_a_question_mark_shows_the_keys_of_this_screen_and_of_all(
    still: StillFeed,
) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 45)) as pilot:
        await settled(pilot)
        for leave in ("escape", "question_mark", "q"):
            await pilot.press("question_mark")
            await settled(pilot)
            assert isinstance(app.screen, HelpScreen)
            text = text_of(app)
            here, everywhere = text.split("Everywhere")
            assert "On this screen" in here
            for key, does in (("/", "Filter"), ("s", "Sort"), ("x", "Stop"), ("c", "Resume")):
                assert [key, does] in [line.strip(" │").split() for line in lines(here)]
            for name in ("Runs", "Tables", "Times", "Compare", "New run", "Export", "Quit"):
                assert name in everywhere
            await pilot.press(leave)
            await settled(pilot)
            assert isinstance(app.screen, RunsScreen)
            assert app.is_running


@pytest.mark.slow
async def test_other_screens_have_other_keys(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 45)) as pilot:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        assert "Packages" in text_of(app)
        assert "Filter" not in text_of(app)


def lines(text: str) -> list[str]:
    """Return the part of each line that is inside the box."""
    return [line.split("│")[1] for line in text.splitlines() if line.count("│") >= 2]
