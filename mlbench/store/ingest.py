"""Takes what waits in the journals into the database: exactly once, whoever does it.

How far each journal was read is stored in the transaction that holds its rows, so a process that
dies in the middle leaves nothing half done, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from mlbench.errors import StoreBusyError, StoreReadOnlyError
from mlbench.store import connection as database
from mlbench.store.batch import framed, insert
from mlbench.store.journal import JournalFile, list_journals
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.portions import MISSING, Known, portions, waits

READERS_PATIENCE = 1.0


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What an ingest did.

    Args:
        lines: Records taken in.
        episodes: Episodes among them.
        interrupted: Runs that were found dead without a word.
        damaged: One line for each journal that cannot be read to its end.
        waiting: Why nothing could be taken in; ``None`` if it could.
    """

    lines: int = 0
    episodes: int = 0
    interrupted: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    waiting: str | None = None


def ingest(paths: StorePaths, *, patience: float = database.PATIENCE) -> IngestReport:
    """Take in all whole lines that wait, and mark runs that died as interrupted.

    Cheap when there is nothing to do: then the database is opened for reading only.

    Args:
        paths: The store.
        patience: Seconds to wait for other processes.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: The database cannot be used.
    """
    journals = list_journals(paths)
    if not journals:
        return IngestReport()
    with database.read(paths, patience=patience) as connection:
        known = Known.of(connection)
    if nothing_waits(paths, journals, known):
        return IngestReport(damaged=damages(known, journals))
    with database.write(paths, patience=patience) as connection:
        return take_in(paths, connection)


def refresh(paths: StorePaths, *, patience: float = READERS_PATIENCE) -> IngestReport:
    """Ingest, for a reader: what cannot be taken in goes on waiting, and the report says why."""
    try:
        return ingest(paths, patience=patience)
    except (StoreBusyError, StoreReadOnlyError) as err:
        return IngestReport(waiting=str(err))


@contextmanager
def reading(paths: StorePaths) -> Iterator[duckdb.DuckDBPyConnection]:
    """Refresh, and open the database to read; to open it once, where nothing waits, is enough.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: It cannot be used.
    """
    journals = list_journals(paths)
    with database.read(paths) as connection:
        if not journals or nothing_waits(paths, journals, Known.of(connection)):
            yield connection
            return
    refresh(paths)
    with database.read(paths) as connection:
        yield connection


def nothing_waits(paths: StorePaths, journals: list[JournalFile], known: Known) -> bool:
    """Return whether the database has all that is in the journals, and knows who died."""
    silent = any((j.run_id, j.attempt) in known.started for j in silences(paths, journals, known))
    return not silent and not any(waits(j, known.of_journal(j)) for j in journals)


def take_in(paths: StorePaths, connection: duckdb.DuckDBPyConnection) -> IngestReport:
    """Ingest everything, the database being ours: some tens of megabytes a transaction."""
    known = Known.of(connection)
    journals = list_journals(paths)
    silent = silences(paths, journals, known)  # first: what the dead wrote is then complete
    lines = episodes = 0
    for portion in portions(journals, known):
        connection.begin()
        try:
            episodes += portion.store(connection)
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
        lines += portion.lines
    known = Known.of(connection)
    dead = [j for j in silent if (j.run_id, j.attempt) in known.started - known.ended]
    interrupted = [j for j in dead if j.size() is not None]
    if interrupted:
        insert(connection, "statuses", framed(list(map(interruption, interrupted))))
    return IngestReport(
        lines=lines,
        episodes=episodes,
        interrupted=tuple(dict.fromkeys(journal.run_id for journal in interrupted)),
        damaged=damages(known, journals),
    )


def silences(paths: StorePaths, journals: list[JournalFile], known: Known) -> list[JournalFile]:
    """Return the journals of attempts that are over, and of whose end nothing is known."""
    last = {journal.run_id: journal.attempt for journal in journals}
    return [
        journal
        for journal in journals
        if (journal.run_id, journal.attempt) not in known.ended
        and (journal.attempt < last[journal.run_id] or not is_alive(paths, journal.run_id))
    ]


def interruption(journal: JournalFile) -> dict[str, Any]:
    """Return the row of ``statuses`` of an attempt that died: when it wrote last."""
    written = datetime.fromtimestamp(journal.path.stat().st_mtime, UTC)
    return {
        "run_id": journal.run_id,
        "attempt": journal.attempt,
        "status": "interrupted",
        "ended": written.replace(tzinfo=None),
        "error": None,
        "tasks_trained": None,
        "inferred": True,
    }


def damages(known: Known, journals: list[JournalFile]) -> tuple[str, ...]:
    """Return a line for each damaged journal."""
    return tuple(
        f"{journal.path} is damaged, {damage}; {remedy(damage)}"
        for journal in journals
        if (damage := known.of_journal(journal).damaged) is not None
    )


def remedy(damage: str) -> str:
    """Return what to do about a journal that is damaged."""
    if damage.endswith(MISSING):
        return "bring its lines back from a copy, or run it once more with --again"
    return "mend or delete that line, and the rest is taken in"
