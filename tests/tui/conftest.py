"""What all tests of the dashboard use: a store, an app, and how to read its screen."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from mlbench.store.feed import Feed
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui import clock
from mlbench.tui.app import Dashboard
from tests.gallery import fill, images, odd_ones, sine

NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001  as in the store: UTC, without a time zone
SNAPSHOTS = Path(__file__).parent / "snapshots"
ALGORITHMS = ("finetuning", "lstm", "fo_maml", "maml", "turtle")


class StillFeed(Feed):
    """Gives the same snapshot until it is given another."""

    def __init__(self, paths: StorePaths, snapshot: Snapshot) -> None:
        super().__init__(paths)
        self.still = snapshot

    def poll(self) -> Snapshot:
        return self.still


def text_of(app: App[Any]) -> str:
    """Return the characters that the terminal shows, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(line.text.rstrip() for line in lines)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until the store was looked at, nothing is being loaded and all is drawn."""
    app = pilot.app
    while isinstance(app, Dashboard) and not app.polled:
        await asyncio.sleep(0.001)
    for _ in range(3):
        while any(not worker.is_finished for worker in app.workers):
            await asyncio.sleep(0.001)
        await pilot.pause()


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait until something holds, at most half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            await pilot.pause(0.01)


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    """Return a store with some sixty runs; to be looked at only."""
    paths = StorePaths(tmp_path_factory.mktemp("store") / "runs.duckdb")
    return fill(paths, [*images(2, ALGORITHMS), *sine(1, steps=(1,), layers=(0, 5)), *odd_ones()])


@pytest.fixture(scope="session")
def snapshot(full_store: StorePaths) -> Snapshot:
    """Return how the runs of the full store stand."""
    return Feed(full_store).poll()


@pytest.fixture
def still(full_store: StorePaths, snapshot: Snapshot) -> StillFeed:
    """Return a feed in which nothing happens, unless it is told to."""
    return StillFeed(full_store, snapshot)


@pytest.fixture
def alive(snapshot: Snapshot) -> RunRow:
    """Return a run in the middle of its training."""
    turtle = next(run for run in snapshot.runs if run.algorithm == "turtle" and run.seed == 93)
    return replace(
        turtle,
        status="running",
        error=None,
        ended=None,
        done=0.42,
        phase="train",
        phase_dataset="mini",
        phase_done=170,
        phase_tasks=400,
        tasks_trained=170,
        tasks_per_second=12.5,
        seconds_left=245.0,
        validation=0.412,
        best=0.412,
    )


@pytest.fixture
def store(full_store: StorePaths, tmp_path: Path) -> StorePaths:
    """Return a copy of the full store, to do anything with."""
    folder = tmp_path / "store"
    shutil.copytree(full_store.database.parent, folder)
    return StorePaths(folder / full_store.database.name)


@pytest.fixture
def empty_store(tmp_path: Path) -> StorePaths:
    """Return a store that does not exist yet."""
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the clock."""
    monkeypatch.setattr(clock, "now", lambda: NOON)
    return NOON


@pytest.fixture
def matches() -> Callable[[App[Any], str], None]:
    """Return what compares a screen with ``tests/tui/snapshots/NAME.txt``.

    ``MLBENCH_RENEW=1 pytest tests/tui`` writes the files anew; look at the difference in git.
    """

    def compare(app: App[Any], name: str) -> None:
        seen = text_of(app) + "\n"
        file = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("MLBENCH_RENEW"):
            file.write_text(seen, encoding="utf-8")
        assert seen == file.read_text(encoding="utf-8"), f"{file.name} shows another screen"

    return compare
