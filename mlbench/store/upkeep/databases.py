"""Whole databases: one in the place of another, somebody else's, and copies."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb

from mlbench.errors import StoreBusyError, StoreError
from mlbench.store import connection as database
from mlbench.store import schema
from mlbench.store.paths import StorePaths
from mlbench.store.refusals import DamagedError, explained
from mlbench.store.upkeep.aside import scratch_folder, sync

Connection = duckdb.DuckDBPyConnection

TABLES = """
    SELECT table_name FROM duckdb_tables() WHERE database_name = $database ORDER BY table_name
"""
NEW = ".new"


@contextmanager
def replacement(paths: StorePaths) -> Iterator[Connection]:
    """Make a database aside that takes the place of the store's when it is complete.

    The caller holds the store's lock, and has closed the old database after a checkpoint.
    """
    old, aside = paths.database, database.aside_of(paths.database)
    for left in leftovers(paths):
        left.unlink()
    try:
        with explained(old):
            with database.connect_aside(aside) as connection:
                yield connection
                connection.execute("CHECKPOINT")
            sync(aside)
            if not old.exists():
                database.log_of(old).unlink(missing_ok=True)
            os.replace(aside, old)  # noqa: PTH105  tests stop here
            sync(old.absolute().parent)
    finally:
        aside.unlink(missing_ok=True)
        database.log_of(aside).unlink(missing_ok=True)


def leftovers(paths: StorePaths) -> list[Path]:
    """Return what those left who were killed while they made a database aside."""
    begin = f"{paths.database.name}."
    return [
        file
        for file in paths.database.absolute().parent.iterdir()
        if file.name.startswith(begin) and file.name.endswith((NEW, f"{NEW}.wal"))
    ]


def set_aside(paths: StorePaths) -> Path:
    """Give the store's database another name, and return that."""
    kept = vacant(paths)
    log = database.log_of(paths.database)
    if log.exists():
        log.replace(database.log_of(kept))
    return paths.database.replace(kept)


def vacant(paths: StorePaths) -> Path:
    """Return a name beside the database that nothing has."""
    number, old = 1, paths.database
    while (kept := old.with_name(f"{old.stem}.old-{number}{old.suffix}")).exists():
        number += 1
    return kept


@contextmanager
def foreign(path: Path, scratch: Path) -> Iterator[Connection]:
    """Open somebody else's database to read, which stays as it is, older ones too.

    Args:
        path: The database.
        scratch: A folder of ours; an older one is copied there and brought up to date.

    Raises:
        StoreBusyError: It is being written to.
        StoreError: It is none, or newer than this mlbench.
    """
    with ExitStack() as held:
        held.enter_context(shared(path))
        try:
            connection = database.patiently(
                lambda: database.connect(path, read_only=True), database.PATIENCE
            )
        except DamagedError as err:
            reason, *_ = str(err).partition("; ")
            raise StoreError(f"{reason}; ask for another copy") from err
        with connection:
            found = schema.version(connection)
            if found is None or found == 0:
                raise StoreError(
                    f"{path} is a DuckDB database, but not one of mlbench's; nothing can be taken"
                    " from it"
                )
            if found > schema.LATEST:
                raise StoreError(
                    f"{path} has schema {found}, but this mlbench knows {schema.LATEST} and older;"
                    " upgrade with 'pip install -U mlbench'"
                )
            if found == schema.LATEST:
                yield connection
                return
        copy = held.enter_context(scratch_folder(scratch)) / "copy.duckdb"
        shutil.copyfile(path, copy)
        if database.log_of(path).exists():
            shutil.copyfile(database.log_of(path), database.log_of(copy))
        with database.connect_aside(copy, confined=True) as connection:
            try:
                schema.migrate(connection)
            except duckdb.Error as err:
                reason = " ".join(str(err).split())
                raise StoreError(
                    f"{path} cannot be brought up to date ({reason}); ask for another copy"
                ) from err
            yield connection


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock of a store that is not ours, if it has one; none is made."""
    try:
        descriptor = os.open(StorePaths(path).lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return

    def attempt() -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusyError(
                f"{path} has been in use for {database.PATIENCE:g} s; try again later",
                "another mlbench process",
            ) from None

    try:
        database.patiently(attempt, database.PATIENCE)
        yield
    finally:
        os.close(descriptor)


def copy_from(connection: Connection, source: Path) -> dict[str, int]:
    """Copy a whole database into the one that is open; return the rows of each table.

    Raises:
        StoreError: Not all of them arrived.
    """
    (here,) = connection.execute("SELECT current_database()").fetchall()[0]
    path = str(source.absolute()).replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS source (READ_ONLY)")
    try:
        connection.execute(f'COPY FROM DATABASE source TO "{quoted(here)}"')
        counts = rows(connection, "source")
        if rows(connection, here) != counts:
            raise StoreError(f"the copy of {source} is not like it; try again")
    finally:
        connection.execute("DETACH source")
    return counts


def rows(connection: Connection, name: str) -> dict[str, int]:
    """Return the number of rows of every table of an attached database."""
    tables = [table for (table,) in connection.execute(TABLES, {"database": name}).fetchall()]
    count = 'SELECT count(*) FROM "{}"."{}"'
    return {
        table: connection.execute(count.format(quoted(name), quoted(table))).fetchall()[0][0]
        for table in tables
    }


def quoted(name: str) -> str:
    """Return a name as it stands between double quotes."""
    return name.replace('"', '""')
