"""The screen *Runs*, key by key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui.app import Dashboard
from mlbench.tui.run_list import RunList
from mlbench.tui.runs_columns import COLUMNS, fitting
from mlbench.tui.runs_screen import RunsScreen
from tests.tui.conftest import NOON, StillFeed, settled, text_of, until


@asynccontextmanager
async def shown(feed: StillFeed, width: int = 120, height: int = 40) -> AsyncIterator[Pilot[Any]]:
    """Show the runs of a feed."""
    async with Dashboard(feed.paths, feed).run_test(size=(width, height)) as pilot:
        await settled(pilot)
        yield pilot


def listed(pilot: Pilot[Any]) -> RunList:
    return pilot.app.screen.query_one(RunList)


async def pass_on(pilot: Pilot[Any], snapshot: Snapshot) -> None:
    """Let the screen know how the runs stand."""
    assert isinstance(pilot.app, Dashboard)
    assert isinstance(pilot.app.feed, StillFeed)
    pilot.app.feed.still = snapshot
    pilot.app.snapshot = snapshot
    await pilot.pause()


async def test_runs_are_listed_newest_first(still: StillFeed, snapshot: Snapshot) -> None:
    async with shown(still) as pilot:
        started = [run.started for run in listed(pilot).runs]
        assert len(started) == len(snapshot.runs) > 40
        assert started == sorted(started, reverse=True)
        lines = text_of(pilot.app).splitlines()
        assert "started▼" in lines[1]
        first = snapshot.runs[0]
        assert first.train_dataset in lines[2]
        assert str(first.seed) in lines[2]


async def test_a_line_says_all_of_a_run_that_goes_on(
    still: StillFeed, alive: RunRow, noon: object
) -> None:
    still.still = Snapshot(runs=(replace(alive, started=NOON - timedelta(minutes=3)),))
    async with shown(still, 160) as pilot:
        line = text_of(pilot.app).splitlines()[2]
        told = line.replace("▌● TURTLE", "").split()
        assert " ".join(told) == (
            "mini→cub 1 93 ▶ running ━━───── 42 % 12.5 4 min 41.2 % 3 min " + alive.run_id
        )
        about = text_of(pilot.app)
        assert "train on mini: 170 of 400 episodes, on nimbus (PID 4711)" in about


HEADINGS = {
    60: "technique data shots progress valid.",
    80: "technique data shots seed progress valid. test/ETA",
    100: "technique data shots seed progress tasks/s ETA valid. test",
    120: "technique data shots seed progress tasks/s ETA valid. test started▼",
    140: "technique data shots seed status progress tasks/s ETA validation test started▼",
}


@pytest.mark.slow
async def test_the_columns_that_matter_most_fit_a_narrow_terminal_whole(
    still: StillFeed, alive: RunRow
) -> None:
    still.still = Snapshot(runs=(alive, *still.still.runs))
    async with shown(still, 60, 24) as pilot:
        for width, headings in HEADINGS.items():
            columns = fitting(COLUMNS, width)
            widths = [9 if column.key == "data" else column.width for column in columns]
            assert sum(widths) + len(widths) - 1 <= width - 2  # but for mark and scroll bar
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            lines = text_of(pilot.app).splitlines()
            assert lines[1].split() == headings.split()
            assert "━━───── " in lines[2]
            assert "42 %" in lines[2]
            assert "41.2 %" in lines[2]
            assert "…" not in "".join(lines[2:18])


async def test_of_a_failed_run_the_reason_is_told(still: StillFeed) -> None:
    async with shown(still, 60, 24) as pilot:
        await pilot.press("slash", *"failed", "enter")
        for width in (60, 80, 120):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            shown_text = " ".join(text_of(pilot.app).split())
            assert "✗ failed" in shown_text
            assert "failed: the loss of task 37 has no gradient; lower inner_lr" in shown_text


async def test_the_filter_works_while_it_is_typed_and_escape_takes_it_away(
    still: StillFeed, snapshot: Snapshot
) -> None:
    async with shown(still) as pilot:
        await pilot.press("slash", *"TURTLE")
        await pilot.pause()
        runs = listed(pilot)
        assert {run.algorithm for run in runs.runs} == {"turtle", "fo_turtle"}
        await pilot.press("space", *"sine")
        await pilot.pause()
        assert {run.train_dataset for run in runs.runs} == {"sine"}
        assert f"{len(runs.runs)} of {len(snapshot.runs)}" in text_of(pilot.app)
        await pilot.press("enter")
        assert pilot.app.focused is runs
        assert len(runs.runs) < len(snapshot.runs)
        await pilot.press("escape")
        await pilot.pause()
        assert len(runs.runs) == len(snapshot.runs)
        assert not pilot.app.screen.query_one("#filtering").display


async def test_a_filter_that_nothing_passes_says_how_to_see_all(still: StillFeed) -> None:
    async with shown(still) as pilot:
        await pilot.press("slash", *"nonesuch")
        await pilot.pause()
        assert f"escape shows all {len(still.still.runs)}" in text_of(pilot.app)
        await pilot.press("enter", "enter", "down", "end")
        assert isinstance(pilot.app.screen, RunsScreen)


@pytest.mark.slow
async def test_s_chooses_the_order_and_again_turns_it_round(still: StillFeed) -> None:
    async with shown(still) as pilot:
        await pilot.press("s")
        await pilot.pause()
        choices = pilot.app.screen.query_one(OptionList)
        names = [str(choices.get_option_at_index(i).prompt) for i in range(choices.option_count)]
        assert names[0] == "▼ when started"
        await pilot.press(*["down"] * names.index("  shots"), "enter")
        await pilot.pause()
        shots = [run.shots for run in listed(pilot).runs]
        assert shots == sorted(shots)
        assert "shot▲" in text_of(pilot.app).splitlines()[1]
        await pilot.press("s", "enter")
        await pilot.pause()
        assert [run.shots for run in listed(pilot).runs] == sorted(shots, reverse=True)
        await pilot.press("S")
        await pilot.pause()
        assert [run.shots for run in listed(pilot).runs] == shots
        await pilot.press("s", "escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_a_click_on_a_heading_sorts_and_another_turns_round(still: StillFeed) -> None:
    async with shown(still) as pilot:
        heading = text_of(pilot.app).splitlines()[1]
        for descending in (True, False):
            await pilot.click(RunList, offset=(heading.index("test"), 0))
            await pilot.pause()
            runs = [run for run in listed(pilot).runs if run.score is not None]
            accuracies = [run.score for run in runs if run.kind == "classification"]
            assert accuracies == sorted(accuracies, reverse=descending)  # type: ignore[type-var]
            assert listed(pilot).runs[-1].score is None


async def test_enter_opens_a_run_and_escape_comes_back_to_it(still: StillFeed) -> None:
    async with shown(still, 100, 30) as pilot:
        await pilot.press("down", "down")
        run = listed(pilot).current
        assert run is not None
        await pilot.press("enter")
        await settled(pilot)
        assert type(pilot.app.screen).__name__ == "RunScreen"
        assert run.run_id in text_of(pilot.app).splitlines()[0]
        await pilot.press("escape")
        await settled(pilot)
        assert listed(pilot).current == run


async def test_stop_and_resume_are_asked_of_the_run_under_the_cursor(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "mlbench.tui.stop_screen.ask_stop", lambda app, run: asked.append(("stop", run.run_id))
    )
    monkeypatch.setattr(
        "mlbench.tui.launches.resume_run", lambda app, run: asked.append(("go on", run.run_id))
    )
    dead = next(run for run in still.still.runs if run.status == "interrupted")
    still.still = Snapshot(runs=(alive, replace(dead, run_id="dead")))
    async with shown(still) as pilot:
        await pilot.press("x", "down", "x", "c")
        await pilot.pause()
        assert asked == [("stop", alive.run_id), ("go on", "dead")]


async def test_an_empty_store_says_what_to_type(empty_store: StorePaths) -> None:
    app = Dashboard(empty_store)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        told = " ".join(text_of(app).split())
        assert "mlbench run turtle --train shapes --eval glyphs --budget quick --db" in told
        assert "Press n to start one" in told
        assert "no runs yet" in told
        assert not list(Path(empty_store.database.parent).glob("*.duckdb"))


async def test_a_database_that_is_none_is_told_in_the_middle_of_every_screen(
    empty_store: StorePaths,
) -> None:
    empty_store.database.write_text("this is no database, and so long that DuckDB says so\n" * 99)
    app = Dashboard(empty_store)

    def told() -> str:
        return " ".join(text_of(app).split())

    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        for key in "123":
            await pilot.press(key)
            await until(pilot, lambda: told().count("is no DuckDB database") == 2)
            assert "There are no runs" not in told()


async def test_the_first_run_takes_the_place_of_that_advice(
    empty_store: StorePaths, alive: RunRow
) -> None:
    feed = StillFeed(empty_store, Snapshot())
    async with shown(feed) as pilot:
        await pass_on(pilot, Snapshot(runs=(alive,)))
        assert "Press n" not in text_of(pilot.app)
        assert "TURTLE" in text_of(pilot.app)
        await until(pilot, lambda: listed(pilot).has_focus)
