"""What waits in a cluster's queue is counted beside what runs and what is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import Snapshot
from mlbench.tui import app as app_module
from mlbench.tui.app import Dashboard, queued_runs
from mlbench.tui.status import counts
from tests.tui.conftest import settled, text_of, until


def test_queued_runs_are_counted_first() -> None:
    assert counts(Snapshot()).plain == "no runs yet"
    assert counts(Snapshot(queued=3)).plain == "◷ 3 queued"


def test_a_store_from_which_nothing_was_submitted_has_nothing_queued(tmp_path: Path) -> None:
    assert queued_runs(StorePaths(tmp_path / "runs.duckdb")) == 0


async def test_the_dashboard_asks_the_cluster_and_tells(
    empty_store: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "queued_runs", lambda paths: 7)
    app = Dashboard(empty_store)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: "7 queued" in text_of(app))
