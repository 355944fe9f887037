"""Whole screens, character by character; ``MLBENCH_RENEW=1 pytest tests/tui`` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from textual.app import App

from mlbench.store.snapshot import RunRow
from mlbench.tui.app import Dashboard
from tests.tui.conftest import StillFeed, settled

Compare = Callable[[App[Any], str], None]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_runs(
    still: StillFeed, alive: RunRow, noon: datetime, matches: Compare, size: tuple[int, int]
) -> None:
    others = tuple(run for run in still.still.runs if run.run_id != alive.run_id)
    still.still = replace(still.still, runs=(alive, *others))
    app = Dashboard(still.paths, still)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        matches(app, f"runs-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_run(
    still: StillFeed, noon: datetime, matches: Compare, size: tuple[int, int]
) -> None:
    run = next(run for run in still.still.runs if run.status == "diverged")
    app = Dashboard(still.paths, still)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        app.open_run(run.run_id)
        await settled(pilot)
        matches(app, f"run-{size[0]}x{size[1]}")


async def test_keys(still: StillFeed, noon: datetime, matches: Compare) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        matches(app, "keys-80x24")
