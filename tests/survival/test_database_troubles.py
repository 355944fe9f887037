"""A database that is gone, another, or none at all: told in one line, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mlbench.errors import StoreError
from mlbench.store import schema
from mlbench.store.connection import read
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun
from tests.survival.typed import SINE, SINE_EPISODES, recorded, run_ids, typed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
READERS = (("table",), ("list", "runs"), ("sql", "SELECT count(*) AS n FROM episodes"))
Spoil = Callable[[Path], None]


def with_garbage(database: Path) -> None:
    database.write_bytes(b"my thesis" * 2_000)


def with_recipes(database: Path) -> None:
    database.unlink(missing_ok=True)
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE recipes (name VARCHAR)")


def with_a_newer_schema(database: Path) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, now())")


def with_half_of_itself(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:9_000])


REPLACED = [
    (with_garbage, "is no DuckDB database; move it away"),
    (with_recipes, "but not one of mlbench's"),
    (with_a_newer_schema, f"has schema 99, but this mlbench knows {schema.LATEST}"),
    (with_half_of_itself, "cannot be used"),
]
SLOWLY_REPLACED = [
    REPLACED[0],
    *(pytest.param(*one, marks=pytest.mark.slow) for one in REPLACED[1:]),
]


@pytest.fixture
def filled(paths: StorePaths) -> StorePaths:
    """A store with one finished run, taken in."""
    run = FakeRun()
    run.write(paths, run.whole())
    ingest(paths)
    return paths


def episodes(paths: StorePaths) -> list[tuple[str, int, int]]:
    """Return how many episodes each run has, and at how many places."""
    with read(paths) as connection:
        return connection.execute(
            "SELECT run_id, count(*), count(DISTINCT position) FROM episodes"
            " GROUP BY run_id ORDER BY run_id"
        ).fetchall()


@pytest.mark.parametrize(("spoil", "reason"), REPLACED)
def test_readers_say_in_a_line_what_is_in_the_databases_place_and_leave_it(
    filled: StorePaths, spoil: Spoil, reason: str
) -> None:
    spoil(filled.database)
    before = filled.database.read_bytes()
    for words in READERS:
        told = typed(filled, *words)
        assert reason in told.error
        assert str(filled.database) in told.error
        assert told.out == ""
    snapshot = Feed(filled).poll()
    assert snapshot.held is not None
    assert reason in snapshot.held
    assert [run.run_id for run in snapshot.runs] == ["r1"], "the journals are read all the same"
    assert filled.database.read_bytes() == before
    filled.database.unlink()
    assert typed(filled, "table").code == 0
    assert episodes(filled) == [("r1", 16, 16)]


@pytest.mark.parametrize(("spoil", "reason"), SLOWLY_REPLACED)
def test_a_run_is_refused_before_the_work_and_one_under_way_keeps_its_result(
    filled: StorePaths, spoil: Spoil, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        begin = Journal.open.__func__  # type: ignore[attr-defined]

        def spoil_and_begin(cls: type[Journal], *arguments: object) -> Journal:
            spoil(filled.database)
            journal: Journal = begin(cls, *arguments)
            return journal

        patch.setattr(Journal, "open", classmethod(spoil_and_begin))
        under_way = typed(filled, *SINE)
    assert under_way.code == 0, under_way.err
    assert "The episodes wait in" in under_way.err
    assert reason in under_way.err
    for words in (SINE, ("resume", "r1")):
        assert reason in typed(filled, *words).error
    filled.database.unlink()
    shown = typed(filled, *SINE)
    assert "is finished; --again" in shown.err
    assert under_way.out.splitlines()[:3] == shown.out.splitlines()[:3]
    (run_id,) = set(run_ids(filled)) - {"r1"}
    assert len(recorded(filled, run_id)) == SINE_EPISODES


def test_a_deleted_database_is_made_anew_by_whoever_asks(filled: StorePaths) -> None:
    before = typed(filled, "list", "runs", "--csv").out
    for words in READERS:
        filled.database.unlink()
        assert typed(filled, *words).code == 0
        assert typed(filled, "list", "runs", "--csv").out == before


def test_an_older_copy_catches_up_from_the_journals(paths: StorePaths) -> None:
    run, copy = FakeRun(), paths.database.with_name("copy")
    with RunLock(paths, "r1"), Journal.open(paths, "r1", 1) as journal:
        journal.append([run.started(), run.episodes(0, 40)])
        ingest(paths)
        shutil.copy(paths.database, copy)
        journal.append([run.episodes(40, 80)])
        ingest(paths)
    shutil.copy(copy, paths.database)
    assert ingest(paths).episodes == 40
    assert episodes(paths) == [("r1", 80, 80)]


def other_store(folder: Path) -> StorePaths:
    """Return somebody else's store, with three runs."""
    folder.mkdir()
    paths = StorePaths(folder / "runs.duckdb")
    for name in ("x1", "x2", "x3"):
        run = FakeRun(name)
        run.write(paths, run.whole())
    ingest(paths)
    return paths


def test_the_database_of_another_store_gets_what_it_lacks(
    filled: StorePaths, tmp_path: Path
) -> None:
    shutil.copy(other_store(tmp_path / "other").database, filled.database)
    assert ingest(filled).episodes == 16
    assert episodes(filled) == [(name, 16, 16) for name in ("r1", "x1", "x2", "x3")]


DIE = """
import os, sys
from pathlib import Path
from mlbench.store import ingest as ingesting
from mlbench.store.paths import StorePaths
ingesting.damages = lambda *_: os.kill(os.getpid(), 9)
ingesting.ingest(StorePaths(Path(sys.argv[1])))
"""


@pytest.fixture
def killed(paths: StorePaths) -> StorePaths:
    """A store whose ingester was killed in its second portion, so that DuckDB's log lies there."""
    run = FakeRun()
    with RunLock(paths, "r1"), Journal.open(paths, "r1", 1) as journal:
        journal.append([run.started(), run.episodes(0, 40)])
        ingest(paths)
        shutil.copy(paths.database, paths.database.with_name("copy"))
        journal.append([run.episodes(40, 60)])
        ingest(paths)
        journal.append([run.episodes(60, 80)])
        command = [sys.executable, "-c", DIE, str(paths.database)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
        journal.append([run.episodes(80, 100), run.status()])
    assert log(paths).stat().st_size > 0
    return paths


def log(paths: StorePaths) -> Path:
    """Return what DuckDB has not written into the database yet."""
    return paths.database.with_name("runs.duckdb.wal")


def test_what_a_killed_ingester_committed_is_neither_lost_nor_taken_in_again(
    killed: StorePaths,
) -> None:
    assert episodes(killed) == [("r1", 80, 80)], "a reader sees it"
    assert ingest(killed).episodes == 20
    assert episodes(killed) == [("r1", 100, 100)]


def test_the_log_of_a_deleted_database_is_not_replayed_into_the_next(killed: StorePaths) -> None:
    killed.database.unlink()
    assert ingest(killed).episodes == 100
    assert episodes(killed) == [("r1", 100, 100)]


@pytest.mark.parametrize("another", [True, False])
def test_the_log_of_another_database_is_refused_and_named(
    killed: StorePaths, tmp_path: Path, another: bool
) -> None:
    copy = killed.database.with_name("copy")
    shutil.copy(other_store(tmp_path / "other").database if another else copy, killed.database)
    with pytest.raises(StoreError, match=r"runs\.duckdb\.wal .*; move it away") as told:
        ingest(killed)
    assert len(str(told.value)) < 500
    log(killed).unlink()
    ingest(killed)
    assert ("r1", 100, 100) in episodes(killed)
