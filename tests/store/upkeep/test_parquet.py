"""Tables as Parquet files, and back."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from mlbench.errors import MisuseError, StoreError
from mlbench.store import schema
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.upkeep import parquet
from mlbench.store.upkeep.merging import merge
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import Reaper, ask, contents, fill


def test_exported_tables_come_back_as_they_were(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS", 16)
    fill(theirs)
    folder = tmp_path / "tables"
    rows = parquet.export(theirs, folder)
    names = "SELECT table_name FROM duckdb_tables() ORDER BY 1"
    assert sorted(rows) == [name for (name,) in ask(theirs, names)]
    assert rows["episodes"] == 72
    versions = pl.read_parquet(folder / "schema_version.parquet")["version"]
    assert versions.max() == schema.LATEST
    episodes = pl.read_parquet(folder / "episodes.parquet")
    assert episodes["episode_key"].dtype == pl.UInt64
    assert sorted(episodes["run_id"].unique()) == ["dead", "killed", "odd", "whole"]
    assert merge(paths, folder).troubles == []
    assert ingest(paths).damaged == ()
    assert contents(paths) == contents(theirs)


def test_a_loss_that_is_the_score_is_written_once_and_comes_back(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path
) -> None:
    losses = [0.5, math.nan, math.inf, 0.0, 1.25]
    scores = [0.5, math.nan, math.inf, 1.0, 1.0]
    run = FakeRun("waves")
    run.write(
        theirs,
        [run.started(), replace(run.episodes(0, 5, "test"), loss=losses, score=scores)],
    )
    ingest(theirs)
    parquet.export(theirs, tmp_path / "tables")
    written = pl.read_parquet(tmp_path / "tables" / "episodes.parquet").sort("episode")
    assert written["loss"].to_list() == [None, None, None, 0.0, 1.25]
    assert merge(paths, tmp_path / "tables").troubles == []
    ingest(paths)
    assert contents(paths) == contents(theirs)


def test_what_counts_up_takes_next_to_nothing(theirs: StorePaths, tmp_path: Path) -> None:
    run = FakeRun("waves")
    run.write(theirs, [run.started(), run.episodes(0, 1_000, "test")])
    ingest(theirs)
    parquet.export(theirs, tmp_path / "tables")
    group = pq.ParquetFile(tmp_path / "tables" / "episodes.parquet").metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    sizes = {column.path_in_schema: column.total_compressed_size for column in columns}
    for name in ("episode", "episode_key", "position"):
        assert sizes[name] < 300, name


def test_chosen_runs_are_exported_alone(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path
) -> None:
    fill(theirs)
    parquet.export(theirs, tmp_path / "tables", ["odd", "dead"])
    merge(paths, tmp_path / "tables")
    ingest(paths)
    assert ask(paths, "SELECT run_id FROM runs ORDER BY 1") == [("dead",), ("odd",)]
    expected = [row for row in contents(theirs)["episodes"] if row.startswith(("('odd", "('dead"))]
    assert contents(paths)["episodes"] == expected


def test_a_folder_that_is_there_is_left_alone(paths: StorePaths, tmp_path: Path) -> None:
    fill(paths)
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(MisuseError, match="full is there already; move it away"):
        parquet.export(paths, tmp_path / "full")
    with pytest.raises(MisuseError, match="is there already"):
        parquet.export(paths, paths.database)
    with pytest.raises(MisuseError, match="does not exist"):
        parquet.export(paths, tmp_path / "no" / "where")
    parquet.export(paths, tmp_path / "empty")
    assert (tmp_path / "empty" / "episodes.parquet").exists()


def test_an_export_that_is_killed_leaves_nothing_of_that_name(
    paths: StorePaths, tmp_path: Path, reaper: Reaper
) -> None:
    fill(paths)
    folder = tmp_path / "tables"
    step = 0
    while not reaper.survives(lambda: parquet.export(paths, folder), step):
        assert not folder.exists() or (folder / "validations.parquet").exists()
        if folder.exists():
            folder.rename(tmp_path / "complete")
        step += 1
    assert step >= 2
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("table", "frame"),
    [
        ("episodes", pl.DataFrame({"run_id": [1], "score": ["high"]})),
        ("episodes", pl.DataFrame({"who": ["me"]})),
        ("machines", None),
        ("schema_version", pl.DataFrame({"version": [99]})),
        ("schema_version", pl.DataFrame({"version": ["x"]})),
        ("schema_version", pl.DataFrame({"release": [1]})),
    ],
)
def test_tables_that_mlbench_did_not_write_are_refused_in_one_line(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, table: str, frame: pl.DataFrame | None
) -> None:
    fill(theirs)
    folder = tmp_path / "tables"
    parquet.export(theirs, folder)
    file = folder / f"{table}.parquet"
    file.write_text("x") if frame is None else frame.write_parquet(file)
    with pytest.raises(StoreError, match=r"ask for another copy|upgrade with") as caught:
        merge(paths, folder)
    assert "\n" not in str(caught.value)
    assert not list(paths.folder.glob(".*"))
