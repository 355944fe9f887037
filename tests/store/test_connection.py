"""Opening the database: who waits for whom, and what is said of files that will not open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from mlbench.errors import StoreBusyError, StoreError, StoreReadOnlyError
from mlbench.store import schema
from mlbench.store.connection import read, write
from mlbench.store.ingest import ingest, refresh
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run, list_runs
from mlbench.store.refusals import explanation

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("held", flush=True)
sys.stdin.read()
"""

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from mlbench.errors import StoreError
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    ingest(StorePaths(Path(sys.argv[1])))
except StoreError as err:
    print(err)
print(len(list_runs(StorePaths(Path(sys.argv[1])))))
"""


@contextmanager
def held(database: Path, how: str) -> Iterator[int]:
    """Let a foreign program hold the database; gives its PID."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield other.pid
        finally:
            other.communicate()


@contextmanager
def powerless() -> Iterator[None]:
    """Be somebody whom permissions bind, even where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_database_that_does_not_exist_reads_as_an_empty_one(paths: StorePaths) -> None:
    assert list_runs(paths).is_empty()
    assert not paths.database.exists()
    paths.database.touch()
    assert list_runs(paths).is_empty()
    with write(paths):
        pass
    assert paths.database.stat().st_size > 0
    assert sorted(path.name for path in paths.database.parent.iterdir()) == [
        "runs.duckdb",
        "runs.duckdb.lock",
    ]


@pytest.mark.parametrize("there", [False, True])
def test_a_reader_sees_neither_files_nor_variables_and_cannot_change_that(
    paths: StorePaths, there: bool
) -> None:
    if there:
        with write(paths):
            pass
    recipes = pl.DataFrame({"name": ["soup"]})
    (paths.database.parent / "recipes.csv").write_text("name\nsoup\n")
    with read(paths) as connection:
        for query in (
            "FROM recipes",
            f"FROM '{paths.database.parent}/recipes.csv'",
            "SET enable_external_access = true",
            f"ATTACH '{paths.database.parent}/other.duckdb'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)
    assert recipes.height == 1


def test_a_held_database_is_waited_for_and_its_holder_named(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    ingest(paths)
    other = fake_run("r2")
    other.write(paths, [other.started(spec_hash="f00d"), other.status("failed", "no luck")])
    with held(paths.database, "write") as pid:
        start = time.monotonic()
        with (
            pytest.raises(
                StoreBusyError, match=rf"runs\.duckdb is in use by .*python.*\(PID {pid}\)"
            ),
            read(paths, patience=0.2),
        ):
            pass
        assert 0.2 <= time.monotonic() - start < 1
        report = refresh(paths, patience=0)
        assert report.waiting is not None
        assert f"PID {pid}" in report.waiting
        found = find_run(paths, "f00d")
        assert found is not None
        assert (found.run_id, found.status, found.error) == ("r2", "failed", "no luck")
    assert list_runs(paths)["run_id"].to_list() == ["r1", "r2"]


def test_beside_a_foreign_reader_one_reads_what_is_there_and_asks_the_journals_for_the_rest(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    ingest(paths)
    other = fake_run("r2")
    other.write(paths, other.whole(spec_hash="f00d"))
    with held(paths.database, "read"):
        assert refresh(paths, patience=0).waiting is not None
        with read(paths, patience=0) as connection:
            assert connection.execute("SELECT run_id FROM runs").fetchall() == [("r1",)]
        found = find_run(paths, "f00d")
        assert found is not None
        assert found.status == "finished"
    assert refresh(paths).lines == 10


def test_a_writer_waits_for_readers_and_readers_for_a_writer(paths: StorePaths) -> None:
    with write(paths):
        pass
    with (
        read(paths),
        read(paths),
        pytest.raises(StoreBusyError, match="in use by another mlbench process"),
        write(paths, patience=0.05),
    ):
        pass
    with (
        write(paths),
        pytest.raises(StoreBusyError, match=f"PID {os.getpid()}"),
        read(paths, patience=0.05),
    ):
        pass


def test_threads_that_read_and_write_never_meet(paths: StorePaths) -> None:
    with write(paths) as connection:
        connection.execute("CREATE TABLE counts AS SELECT 0 AS n")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(4):
                if number % 2:
                    with write(paths, patience=30) as connection:
                        connection.execute("UPDATE counts SET n = n + 1")
                else:
                    with read(paths, patience=30) as connection:
                        connection.execute("SELECT * FROM runs").fetchall()
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with read(paths) as connection:
        assert connection.execute("FROM counts").fetchall() == [(8,)]


def test_what_is_no_database_is_said_to_be_none_and_left_as_it_is(paths: StorePaths) -> None:
    paths.database.write_bytes(b"my thesis" * 2000)
    for opening in (read, write):
        with (
            pytest.raises(StoreError, match=r"runs\.duckdb is no DuckDB database; move it away"),
            opening(paths),
        ):
            pass
    assert paths.database.read_bytes() == b"my thesis" * 2000


def test_a_database_of_somebody_else_is_left_alone(paths: StorePaths) -> None:
    with duckdb.connect(paths.database) as connection:
        connection.execute("CREATE TABLE recipes (name VARCHAR)")
    for opening in (read, write):
        with pytest.raises(StoreError, match="but not one of mlbench's"), opening(paths):
            pass
    with duckdb.connect(paths.database) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("recipes",)]


def test_a_newer_schema_asks_for_a_newer_mlbench(paths: StorePaths) -> None:
    with write(paths) as connection:
        connection.execute("INSERT INTO schema_version VALUES (7, now())")
    for opening in (read, write):
        with (
            pytest.raises(
                StoreError, match=f"has schema 7, but this mlbench knows {schema.LATEST} and older"
            ),
            opening(paths),
        ):
            pass


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """Let there be one more migration."""
    file = tmp_path / "more.sql"
    file.write_text(text)
    migrations: dict[int, Traversable] = {**schema.MIGRATIONS, schema.LATEST + 1: file}
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    monkeypatch.setattr(schema, "LATEST", schema.LATEST + 1)


def test_an_older_database_is_brought_up_to_date_by_whoever_reads_it(
    paths: StorePaths, fake_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    ingest(paths)
    pretend(monkeypatch, tmp_path, "ALTER TABLE machines ADD COLUMN cloud VARCHAR")
    with read(paths) as connection:
        assert schema.version(connection) == schema.LATEST
        assert connection.execute("SELECT cloud FROM machines").fetchall() == [(None,)]
        assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_behind(
    paths: StorePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write(paths):
        pass
    with monkeypatch.context() as patch:
        pretend(patch, tmp_path, "CREATE TABLE half (n INT); SELECT nonsense FROM nowhere")
        with pytest.raises(duckdb.CatalogException), write(paths):
            pass
    with read(paths) as connection:
        assert schema.version(connection) == schema.LATEST
        names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert ("half",) not in names


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "typo" / "runs.duckdb")
    for opening in (read, write):
        with (
            pytest.raises(StoreError, match=r"typo of runs\.duckdb does not exist"),
            opening(paths),
        ):
            pass


def test_a_read_only_database_is_read_and_what_waits_goes_on_waiting(fake_run: Any) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to everybody else
    paths = StorePaths(folder / "runs.duckdb")
    try:
        run = fake_run()
        run.write(paths, run.whole())
        ingest(paths)
        other = fake_run("r2")
        other.write(paths, other.whole())
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with powerless():
            assert list_runs(paths)["run_id"].to_list() == ["r1"]
            waiting = refresh(paths).waiting
            assert waiting is not None
            assert "cannot be written: Permission denied" in waiting
            with pytest.raises(StoreReadOnlyError, match="get the right to write it"):
                ingest(paths)
            with pytest.raises(StoreError, match="Permission denied"):
                fake_run("r3").write(paths, [])
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_full_disk_loses_nothing_and_lets_one_read(paths: StorePaths, fake_run: Any) -> None:
    with write(paths):
        pass
    run = fake_run()
    run.write(paths, run.whole())
    command = [sys.executable, "-c", FULL_DISK, str(paths.database)]
    message = subprocess.check_output(command, text=True, cwd=Path(__file__).parents[2])
    assert message.startswith(f"{paths.database} takes no more: the disk or the quota is full")
    assert message.splitlines()[1:] == ["0"]  # what is there can be read nevertheless
    assert ingest(paths).episodes == 16


@pytest.mark.parametrize(
    "size", [0, *(pytest.param(size, marks=pytest.mark.slow) for size in (13_000, 20_000))]
)
def test_a_database_that_a_full_disk_keeps_from_being_made_leaves_nothing_behind(
    paths: StorePaths, fake_run: Any, size: int
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    code = FULL_DISK.replace("(1000, 1000)", f"({size}, {size})")
    command = [sys.executable, "-c", code, str(paths.database)]
    lines = subprocess.check_output(command, text=True, cwd=Path(__file__).parents[2]).splitlines()
    assert lines == [
        f"{paths.database} takes no more: the disk or the quota is full; free some space and try"
        " again (nothing is lost, the journals have it)",
        "0",
    ]
    assert sorted(path.name for path in paths.database.parent.iterdir()) == [
        "runs",
        "runs.duckdb.lock",
    ]
    assert ingest(paths).episodes == 16


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('Could not write file "runs.duckdb": No space left on device', "or the quota is full"),
        ("Trying to read a database file with version number 99", "another version of DuckDB"),
        ("Corrupt database file: checksum\ndiffers", "cannot be used: Corrupt database file"),
        ("Could not set lock on file", "in use by another program"),
    ],
)
def test_what_duckdb_says_of_its_file_becomes_one_line_with_a_remedy(
    message: str, expected: str
) -> None:
    text = str(explanation(Path("runs.duckdb"), message))
    assert expected in text
    assert "\n" not in text
    assert ";" in text


def test_views_of_others_reach_no_file_while_the_database_is_written_to(
    paths: StorePaths, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("nothing for others")
    with write(paths):
        pass
    with duckdb.connect(paths.database) as connection:
        connection.execute(f"CREATE VIEW peeping AS FROM read_text('{secret}')")
    with write(paths) as connection, pytest.raises(duckdb.PermissionException):
        connection.execute("FROM peeping")
