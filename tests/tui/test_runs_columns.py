"""Filtering and sorting runs."""

from __future__ import annotations

from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui.runs_columns import COLUMNS, arranged, matching


def test_a_filter_looks_at_technique_data_status_and_name(snapshot: Snapshot) -> None:
    run = next(run for run in snapshot.runs if run.status == "diverged")
    for words in ("fo-turtle", "FO_TURTLE", "cub diverged", run.run_id, "5-way 1-shot", "seed=92"):
        assert run in matching(snapshot.runs, words)
    assert run not in matching(snapshot.runs, "diverged sine")


def test_every_column_sorts_and_what_is_unknown_comes_last(
    snapshot: Snapshot, alive: RunRow
) -> None:
    runs = [alive, *snapshot.runs]
    for column in COLUMNS:
        for descending in (True, False):
            ordered = arranged(runs, column.key, descending)
            assert sorted(map(id, ordered)) == sorted(map(id, runs))
            known = [column.order(run) is not None for run in ordered]
            assert known == sorted(known, reverse=True)
