"""The stores that benchmarks make: as many runs and episodes as were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.queries import made as made_runs
from benchmarks.recording import LINE, buffered, made
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.records import Episodes


@pytest.mark.parametrize(("runs", "episodes"), [(3, 300), (40, 12_000)])
def test_a_store_has_the_episodes_that_were_asked_for(
    runs: int, episodes: int, tmp_path: Path
) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    found = made_runs(runs, episodes)
    assert len({run.run_id for run in found}) == runs
    for run in found:
        run.write(paths)
    assert ingest(paths).episodes == pytest.approx(episodes, rel=0.1)


@pytest.mark.parametrize("block", [1, 10, 100])
def test_events_are_recorded_in_lines_of_the_length_that_is_told(block: int) -> None:
    records = buffered(made(block, 1_000))
    lengths = [len(record.episode) for record in records if isinstance(record, Episodes)]
    assert sum(lengths) == 1_000
    assert set(lengths[:-1]) == {LINE}
