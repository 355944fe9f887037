"""Backups: a store like ours, made while runs go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlbench.errors import MisuseError, StoreError
from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.upkeep import copying
from mlbench.store.upkeep.copying import backup
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import Reaper, ask, contents, files, fill


@pytest.fixture
def filled(tmp_path: Path) -> StorePaths:
    (tmp_path / "ours").mkdir()
    return fill(StorePaths(tmp_path / "ours" / "results.duckdb"))


def test_a_copy_is_a_store_like_the_first(filled: StorePaths, tmp_path: Path) -> None:
    filled.checkpoints.mkdir()
    filled.checkpoint("killed").write_bytes(b"state")
    (filled.checkpoints / "half.new").write_bytes(b"half of a state")
    torn = filled.journal("dead", 1)
    times = torn.stat()
    with torn.open("ab") as file:
        file.write(b'{"type":"epi')
    os.utime(torn, ns=(times.st_atime_ns, times.st_mtime_ns))
    report = backup(filled, tmp_path / "copy")
    assert (report.rows["episodes"], report.journals, report.waiting) == (72, 6, None)
    copy = StorePaths(tmp_path / "copy" / "runs.duckdb")
    assert sum(map(len, files(tmp_path / "copy").values())) == report.size
    assert contents(copy, ()) == contents(filled, ())
    assert ingest(copy).lines == 0
    assert copy.checkpoint("killed").read_bytes() == b"state"
    assert sorted(path.name for path in copy.checkpoints.iterdir()) == ["killed.ckpt"]
    assert copy.journal("dead", 1).read_bytes().endswith(b"}\n")
    copy.database.unlink()
    ingest(copy)
    assert contents(copy) == contents(filled)


def test_a_copy_knows_no_more_than_its_journals_while_runs_go_on(
    filled: StorePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun("busy")
    copied = copying.copy_database

    def copy_and_go_on(paths: StorePaths, copy: StorePaths) -> dict[str, int]:
        journal.append([run.episodes(5, 10)])
        counts = copied(paths, copy)
        journal.append([run.episodes(10, 15)])
        ingest(paths)
        os.write(journal.descriptor, b'{"type":')
        return counts

    monkeypatch.setattr(copying, "copy_database", copy_and_go_on)
    with Journal.open(filled, "busy", 1) as journal, RunLock(filled, "busy"):
        journal.append([run.started(spec_hash="b"), run.episodes(0, 5)])
        backup(filled, tmp_path / "copy")
    copy = StorePaths(tmp_path / "copy" / "runs.duckdb")
    count = "SELECT count(*) FROM episodes WHERE run_id = 'busy'"
    assert ask(copy, count) == [(5,)]
    assert copy.journal("busy", 1).read_bytes().endswith(b"}\n")
    assert ingest(copy).damaged == ()
    assert ask(copy, count) == [(15,)]


def test_what_is_there_is_not_written_over(filled: StorePaths, tmp_path: Path) -> None:
    for name in ("file", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").rmdir()
    (tmp_path / "file").touch()
    for name in ("file", "full"):
        with pytest.raises(MisuseError, match="is there already"):
            backup(filled, tmp_path / name)
    with pytest.raises(MisuseError, match="does not exist"):
        backup(filled, tmp_path / "no" / "where")


def test_there_must_be_something_to_copy(paths: StorePaths, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        backup(paths, tmp_path / "copy")
    run = FakeRun()
    run.write(paths, run.whole())
    backup(paths, tmp_path / "copy")  # takes it in first
    assert ask(StorePaths(tmp_path / "copy" / "runs.duckdb"), "SELECT run_id FROM runs") == [
        ("r1",)
    ]


def test_a_copy_that_is_not_like_the_first_is_refused(
    filled: StorePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "rows", lambda connection, name: {"episodes": 1})
    with pytest.raises(StoreError, match="cannot be read; try again"):
        backup(filled, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_backup_that_is_killed_leaves_nothing_of_that_name(
    filled: StorePaths, tmp_path: Path, reaper: Reaper
) -> None:
    before = contents(filled)
    folder = tmp_path / "copy"
    step = 0
    while not reaper.survives(lambda: backup(filled, folder), step):
        if folder.exists():
            assert contents(StorePaths(folder / "runs.duckdb")) == before
            folder.rename(tmp_path / "complete")
        step += 1
    assert step >= 2
    assert contents(StorePaths(folder / "runs.duckdb")) == before
    assert not list(tmp_path.glob(".*"))


def test_a_database_of_a_version_that_is_not_known_is_told(
    filled: StorePaths, tmp_path: Path
) -> None:
    with write(filled) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, now())")
    with pytest.raises(StoreError, match="has schema 99"):
        backup(filled, tmp_path / "copy")
