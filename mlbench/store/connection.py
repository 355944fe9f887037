"""The only module that opens the database: one writer or many readers, each for a moment.

DuckDB gives a file to one read-write process or to several read-only ones, and refuses at once
instead of waiting. So mlbench's processes queue for a ``flock`` on a file beside the database:
exclusive to write, shared to read. What is left to refuse us is a foreign program, such as an
SQL shell, and that one is named.

The database itself is never opened with Python's file functions: closing such a handle would
drop DuckDB's own lock on the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mlbench.errors import StoreBusyError, StoreError, StoreReadOnlyError
from mlbench.store import schema
from mlbench.store.liveness import sign
from mlbench.store.paths import StorePaths

PATIENCE = 5.0
PAUSE = 0.02
HOLDER = re.compile(r"held in (?P<program>.+?)(?: \(deleted\))? \(PID (?P<pid>\d+)\)")
READ_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # No file but the database's own, no variable of Python's, and no way back, whatever the query.
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""One for all readers: two connections of one process to one file must agree on it."""


@contextmanager
def read(paths: StorePaths, *, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database read-only; a database that does not exist yet reads as an empty one.

    Args:
        paths: The store.
        patience: Seconds to wait for other processes.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: It is damaged, no database of mlbench's, or of another schema.
    """
    paths.check_home()
    if not exists(paths.database):
        with duckdb.connect() as connection:
            schema.migrate(connection)
            for name, value in READ_CONFIG.items():
                connection.execute(f"SET {name} = {value}")
            yield connection
        return
    with opened(paths, read_only=True, patience=patience) as connection:
        found = schema.check(schema.version(connection), paths.database)
        if found == schema.LATEST:
            with explained(paths.database):
                yield connection
            return
    with write(paths, patience=patience):
        pass  # brings an older database up to date
    with read(paths, patience=patience) as connection:
        yield connection


@contextmanager
def write(paths: StorePaths, *, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database read-write, alone, made or brought up to date as needed.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreReadOnlyError: It may not be written, or the disk is full.
        StoreError: It is damaged, no database of mlbench's, or of a newer schema.
    """
    paths.check_home()
    with opened(paths, read_only=False, patience=patience) as connection:
        schema.check(schema.version(connection), paths.database)
        with explained(paths.database):
            schema.migrate(connection)
            yield connection


def exists(database: Path) -> bool:
    """Return whether there is a database; an empty file is none."""
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


@contextmanager
def opened(
    paths: StorePaths, *, read_only: bool, patience: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lock, connect, and undo both; nothing is held while waiting."""
    deadline = time.monotonic() + patience
    while True:
        descriptor = lock(paths, shared=read_only)
        if descriptor is None:
            pid = lock_holder(paths)
            known = f"another mlbench process (PID {pid}, or readers)"
            holder = known if pid else "other mlbench processes"
            busy = StoreBusyError(
                f"{paths.database} has been in use by {holder} for {patience:g} s; wait for it, and"
                " try again",
                holder,
                ours=pid == str(os.getpid()),
            )
        else:
            try:
                connection = connect(paths.database, read_only=read_only)
            except StoreBusyError as err:
                busy = err
            except BaseException:
                unlock(descriptor)
                raise
            else:
                break
            unlock(descriptor)
        if time.monotonic() >= deadline:
            raise busy
        time.sleep(PAUSE)
    try:
        with connection:
            yield connection
    finally:
        unlock(descriptor)


def lock(paths: StorePaths, *, shared: bool) -> int | None:
    """Return a descriptor that holds the store's lock, ``None`` if others hold it.

    A reader who may not write beside the database, and finds no lock there, reads without:
    -1 stands for that.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(paths.lock, flags, 0o666)
    except OSError as err:
        if not shared:
            raise read_only_error(paths.database, err.strerror) from err
        try:
            descriptor = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not shared:
        sign(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Let go of what :func:`lock` returned."""
    if descriptor >= 0:
        os.close(descriptor)


def lock_holder(paths: StorePaths) -> str:
    """Return the PID that wrote the database last, who holds the lock unless readers do."""
    try:
        return paths.lock.read_text().strip()
    except OSError:
        return ""


def connect(database: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect, with DuckDB's refusals in mlbench's words."""
    with explained(database):
        if read_only:
            return duckdb.connect(database, read_only=True, config=READ_CONFIG)
        if not exists(database):
            create(database)
        elif not os.access(database, os.W_OK):
            raise read_only_error(database, os.strerror(errno.EACCES))
        return duckdb.connect(database)


def create(database: Path) -> None:
    """Make an empty database aside and rename it, so that no half-made one is ever seen."""
    aside = database.with_name(f"{database.name}.{os.getpid()}.new")
    log = aside.with_name(f"{aside.name}.wal")
    try:
        with duckdb.connect(aside) as connection:
            schema.migrate(connection)
            connection.execute("CHECKPOINT")  # closing does so too, but keeps quiet if it fails
        aside.replace(database)
    finally:
        aside.unlink(missing_ok=True)
        log.unlink(missing_ok=True)


@contextmanager
def explained(database: Path) -> Iterator[None]:
    """Turn what DuckDB says of the file, the disk or its lock into an error that helps.

    Errors of a query are not touched.
    """
    try:
        yield
    except OSError as err:
        raise read_only_error(database, err.strerror) from err
    except (
        duckdb.IOException,
        duckdb.SerializationException,
        duckdb.FatalException,
        duckdb.InternalException,
        duckdb.TransactionException,  # a commit that finds no room
    ) as err:
        raise explanation(database, str(err)) from err
    except duckdb.ConnectionException as err:
        raise StoreBusyError(
            f"{database} is open in this very process, in another way; close it there",
            "this very process",
            ours=True,
        ) from err


def read_only_error(database: Path, reason: str | None) -> StoreError:
    """Return the error for a database that may not be written."""
    return StoreReadOnlyError(
        f"{database} cannot be written: {reason}; get the right to write it and its folder, or"
        " name another with --db"
    )


def explanation(database: Path, message: str) -> StoreError:
    """Return the error that stands for one of DuckDB's messages about its file."""
    if "Could not set lock" in message:
        match = HOLDER.search(message)
        holder = (
            f"{Path(match['program']).name} (PID {match['pid']})" if match else "another program"
        )
        return StoreBusyError(
            f"{database} is in use by {holder}; close it there, and try again", holder
        )
    if "not a valid DuckDB database" in message:
        return StoreError(f"{database} is no DuckDB database; {remedy(database)}")
    if "No space left" in message or "Could not write" in message:
        return StoreReadOnlyError(
            f"{database} takes no more: the disk or the quota is full; free some space and try"
            " again (nothing is lost, the journals have it)"
        )
    if "Permission denied" in message or "Read-only file system" in message:
        return read_only_error(database, "permission denied")
    if "version number" in message:
        return StoreError(
            f"{database} was written by another version of DuckDB than {duckdb.__version__};"
            " install that one, or name another database with --db"
        )
    reason = " ".join(message.split())
    return StoreError(f"{database} cannot be used: {reason}; {remedy(database)}")


def remedy(database: Path) -> str:
    """Return what to do about a database that is none."""
    journals = StorePaths(database).journals
    anew = f" (mlbench makes it anew from {journals})" if journals.is_dir() else ""
    return f"move it away{anew}, or name another with --db"
