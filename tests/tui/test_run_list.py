"""The list of runs: its cursor, what is in sight, and a thousand of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from textual.strip import Strip

from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui.run_list import RunList
from tests.tui.conftest import NOON, StillFeed, settled, text_of
from tests.tui.test_runs import listed, pass_on, shown


async def test_keys_move_the_cursor_and_what_is_below_it_is_told(still: StillFeed) -> None:
    async with shown(still, 100, 24) as pilot:
        for keys in (("down",) * 3, ("end", "up"), ("home", "pagedown", "j"), ("end", "home")):
            await pilot.press(*keys)
            await pilot.pause()
            current = listed(pilot).current
            assert current is not None
            lines = text_of(pilot.app).splitlines()
            (marked,) = [line for line in lines if line.startswith("▌")]
            assert str(current.seed) in marked
            assert current.run_id in "\n".join(lines[-5:])


async def test_the_cursor_and_what_is_in_sight_stay_while_runs_change_and_come(
    still: StillFeed, snapshot: Snapshot, alive: RunRow
) -> None:
    async with shown(still, 100, 24) as pilot:
        await pilot.press("pagedown", "pagedown", "up")
        await pilot.pause()
        runs = listed(pilot)
        before = runs.current
        assert before is not None
        height = runs.cursor - runs.scroll_offset.y
        newer = [
            replace(alive, run_id=f"new-{i}", started=NOON + timedelta(seconds=i)) for i in range(3)
        ]
        await pass_on(pilot, replace(snapshot, runs=(*newer, *snapshot.runs)))
        assert runs.current is not None
        assert runs.current.run_id == before.run_id
        assert runs.cursor - runs.scroll_offset.y == height
        changed = tuple(
            replace(run, done=0.5) if run.run_id == before.run_id else run for run in snapshot.runs
        )
        await pass_on(pilot, replace(snapshot, runs=changed))
        assert runs.current.run_id == before.run_id
        assert runs.current.done == 0.5
        assert runs.cursor - runs.scroll_offset.y == height


async def test_who_watches_the_top_sees_new_runs_come(
    still: StillFeed, snapshot: Snapshot, alive: RunRow
) -> None:
    async with shown(still, 100, 24) as pilot:
        newest = replace(alive, run_id="new", started=NOON)
        await pass_on(pilot, replace(snapshot, runs=(newest, *snapshot.runs)))
        current = listed(pilot).current
        assert current is not None
        assert current.run_id == "new"


async def test_a_click_chooses_and_a_second_opens(still: StillFeed) -> None:
    async with shown(still, 100, 30) as pilot:
        await pilot.click(RunList, offset=(5, 4))
        await pilot.pause()
        assert listed(pilot).cursor == 3
        await pilot.click(RunList, offset=(5, 4), times=2)
        await settled(pilot)
        assert type(pilot.app.screen).__name__ == "RunScreen"


async def test_of_a_thousand_runs_those_on_the_screen_are_drawn(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [
        replace(alive, run_id=f"r{i}", started=alive.started - timedelta(seconds=i))
        for i in range(1000)
    ]
    still.still = Snapshot(runs=tuple(many))
    async with shown(still) as pilot:
        await pilot.press("end")
        assert listed(pilot).cursor == 999
        many[:50] = [replace(run, done=0.9) for run in many[:50]]
        drawn: list[int] = []
        render = RunList.render_line

        def count(self: RunList, y: int) -> Strip:
            drawn.append(y)
            return render(self, y)

        monkeypatch.setattr(RunList, "render_line", count)
        await pass_on(pilot, Snapshot(runs=tuple(many)))
        assert 0 < len(drawn) < 200  # what is on the screen, a few times at most
        await pilot.press("home")
        await pilot.pause()
        assert text_of(pilot.app).count("90 %") > 20
