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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from mlbench.errors import StoreBusyError, StoreError
from mlbench.store import schema
from mlbench.store.liveness import sign
from mlbench.store.paths import StorePaths
from mlbench.store.refusals import explained, read_only_error

T = TypeVar("T")
PATIENCE = 5.0
PAUSE = 0.02
READ_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # No file but the database's own, no variable of Python's, and no way back, whatever the query.
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""One for all readers: two connections of one process to one file must agree on it."""
MADE_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # From this one on, a file says which log is its own: that of another file that stood in its
    # place is refused, and not replayed into it.
    "storage_compatibility_version": "v1.4.0",
}


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


def demand(paths: StorePaths) -> None:
    """Refuse to go on without a database.

    Raises:
        StoreError: There is none.
    """
    if not exists(paths.database):
        raise StoreError(
            f"there is no database {paths.database} yet; 'mlbench run ...{paths.option}' makes it,"
            " or name another with --db"
        )


@contextmanager
def opened(
    paths: StorePaths, *, read_only: bool, patience: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lock, connect, and undo both; nothing is held while waiting."""

    def attempt() -> tuple[int, duckdb.DuckDBPyConnection]:
        descriptor = lock_or_refuse(paths, shared=read_only, patience=patience)
        try:
            return descriptor, connect(paths.database, read_only=read_only)
        except BaseException:
            unlock(descriptor)
            raise

    descriptor, connection = patiently(attempt, patience)
    try:
        with connection:
            yield connection
    finally:
        unlock(descriptor)


@contextmanager
def locked(paths: StorePaths, *, shared: bool, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the store's lock without opening the database: others wait until we let go.

    Raises:
        StoreBusyError: Another process held it all the time.
    """
    paths.check_home()
    descriptor = patiently(
        lambda: lock_or_refuse(paths, shared=shared, patience=patience), patience
    )
    try:
        yield
    finally:
        unlock(descriptor)


def patiently(attempt: Callable[[], T], patience: float) -> T:
    """Return what an attempt does, which is repeated for some seconds while it finds others busy.

    Raises:
        StoreBusyError: It did to the last.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except StoreBusyError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE)


def lock_or_refuse(paths: StorePaths, *, shared: bool, patience: float) -> int:
    """Return a descriptor that holds the store's lock.

    Raises:
        StoreBusyError: Others hold it.
    """
    descriptor = lock(paths, shared=shared)
    if descriptor is not None:
        return descriptor
    pid = lock_holder(paths)
    known = f"another mlbench process (PID {pid}, or readers)"
    holder = known if pid else "other mlbench processes"
    raise StoreBusyError(
        f"{paths.database} has been in use by {holder} for {patience:g} s; wait for it, and"
        " try again",
        holder,
        ours=pid == str(os.getpid()),
    )


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
        # whose views and macros these are is not known: they reach no file while it is written to
        return duckdb.connect(database, config={"enable_external_access": "false"})


def connect_aside(database: Path, *, confined: bool = False) -> duckdb.DuckDBPyConnection:
    """Connect to a file of ours that nobody else knows of.

    Args:
        database: The file; made where there is none.
        confined: Whether it holds what others wrote, and is kept from reaching other files.
    """
    return duckdb.connect(database, config=MADE_CONFIG | (READ_CONFIG if confined else {}))


def create(database: Path) -> None:
    """Make an empty database aside and rename it, so that no half-made one is ever seen."""
    aside = aside_of(database)
    try:
        with connect_aside(aside) as connection:
            schema.migrate(connection)
            connection.execute("CHECKPOINT")  # closing does so too, but keeps quiet if it fails
        log_of(database).unlink(missing_ok=True)  # of a database that was deleted
        aside.replace(database)
    finally:
        aside.unlink(missing_ok=True)
        log_of(aside).unlink(missing_ok=True)


def aside_of(database: Path) -> Path:
    """Return where this process makes what takes the place of a database."""
    return database.with_name(f"{database.name}.{os.getpid()}.new")


def log_of(database: Path) -> Path:
    """Return where DuckDB keeps what it has not written into a database yet."""
    return database.with_name(f"{database.name}.wal")
