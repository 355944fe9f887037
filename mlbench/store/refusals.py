"""What DuckDB says of a file, the disk or a lock, in words that help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mlbench.errors import StoreBusyError, StoreError, StoreReadOnlyError
from mlbench.store.paths import StorePaths

HOLDER = re.compile(r"held in (?P<program>.+?)(?: \(deleted\))? \(PID (?P<pid>\d+)\)")


class DamagedError(StoreError):
    """What lies there is nothing that this DuckDB can open."""


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


def explanation(database: Path, message: str) -> StoreError:  # noqa: PLR0911 - one a message
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
        return DamagedError(f"{database} is no DuckDB database; {remedy(database)}")
    if "No space left" in message or "Could not write" in message:
        return StoreReadOnlyError(
            f"{database} takes no more: the disk or the quota is full; free some space and try"
            " again (nothing is lost, the journals have it)"
        )
    if "Permission denied" in message or "Read-only file system" in message:
        return read_only_error(database, "permission denied")
    if "version number" in message:
        return DamagedError(
            f"{database} was written by another version of DuckDB than {duckdb.__version__};"
            " install that one, or name another database with --db"
        )
    if "replaying WAL" in message:
        return StoreError(
            f"{database}.wal was left by another file that stood in the place of {database.name};"
            " move it away, or bring that file back"
        )
    reason = " ".join(message.split())
    return DamagedError(f"{database} cannot be used: {reason}; {remedy(database)}")


def remedy(database: Path) -> str:
    """Return what to do about a database that is none."""
    journals = StorePaths(database).journals
    anew = f" (mlbench makes it anew from {journals})" if journals.is_dir() else ""
    return f"move it away{anew}, or name another with --db"
