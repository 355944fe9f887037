"""Takes what waits in the journals into the database: exactly once, whoever does it.

How far each journal was read is stored in the transaction that holds its rows, so a process that
dies in the middle leaves nothing half done, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb
import polars as pl

from mlbench.errors import StoreBusyError, StoreReadOnlyError
from mlbench.store import connection as database
from mlbench.store.batch import Batch, insert
from mlbench.store.journal import JournalFile, list_journals
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import Episodes, Record, Started, Validated, from_line

BATCH_BYTES = 16 << 20
READERS_PATIENCE = 1.0

PROGRESS = "SELECT file, bytes_read, lines_read, tasks_trained, damaged FROM journals"
DATASETS = "SELECT DISTINCT run_id, train_dataset FROM attempts"
ENDED = "SELECT DISTINCT run_id, attempt FROM statuses"
KNOWN = "SELECT run_id, attempt FROM attempts"
REMEMBER = """
    MERGE INTO journals USING waiting_rows AS read ON journals.file = read.file
    WHEN MATCHED THEN UPDATE SET
        bytes_read = read.bytes_read, lines_read = read.lines_read, damaged = read.damaged,
        tasks_trained = greatest(journals.tasks_trained, read.tasks_trained)
    WHEN NOT MATCHED THEN INSERT BY NAME
"""
SUPERSEDE = """
    DELETE FROM {table} AS old USING attempts AS later
    WHERE old.run_id = later.run_id AND later.run_id IN (SELECT unnest($runs))
      AND old.attempt < later.attempt AND old.position >= later.position
"""
TRAINED = """
    UPDATE journals SET tasks_trained = greatest(tasks_trained, trained.tasks)
    FROM (SELECT run_id, max(episode) + 1 AS tasks FROM episodes
          WHERE phase = 'train' AND run_id IN (SELECT unnest($runs)) GROUP BY run_id) AS trained
    WHERE journals.run_id = trained.run_id AND journals.file IN (SELECT unnest($files))
"""


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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a journal was read."""

    bytes_read: int = 0
    lines_read: int = 0
    tasks_trained: int = 0
    damaged: str | None = None


@dataclass
class Known:
    """What the database knows of runs and journals."""

    progress: dict[str, Progress]
    train_datasets: dict[str, str]
    started: set[tuple[str, int]]
    ended: set[tuple[str, int]]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> Known:
        """Read it."""
        rows = connection.execute(PROGRESS).fetchall()
        progress = {
            file: Progress(bytes_read=size, lines_read=lines, tasks_trained=tasks, damaged=damaged)
            for file, size, lines, tasks, damaged in rows
        }
        return cls(
            progress,
            dict(connection.execute(DATASETS).fetchall()),
            set(connection.execute(KNOWN).fetchall()),
            set(connection.execute(ENDED).fetchall()),
        )

    def of_journal(self, journal: JournalFile) -> Progress:
        """Return how far a journal was read; not at all if it is not known."""
        return self.progress.get(journal.path.name, Progress())


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
    silent = any((j.run_id, j.attempt) in known.started for j in silences(paths, journals, known))
    if not silent and not any(waits(j, known.of_journal(j)) for j in journals):
        return IngestReport(damaged=damages(known, journals))
    with database.write(paths, patience=patience) as connection:
        return take_in(paths, connection)


def refresh(paths: StorePaths, *, patience: float = READERS_PATIENCE) -> IngestReport:
    """Ingest, for a reader: what cannot be taken in goes on waiting, and the report says why."""
    try:
        return ingest(paths, patience=patience)
    except (StoreBusyError, StoreReadOnlyError) as err:
        return IngestReport(waiting=str(err))


def waits(journal: JournalFile, progress: Progress) -> bool:
    """Return whether a journal has something to take in, or to complain of."""
    size = journal.path.stat().st_size
    if size == progress.bytes_read:
        return False
    if size < progress.bytes_read:
        return progress.damaged is None
    line = next((line for _, line in journal.lines(progress.bytes_read)), None)
    if line is None or progress.damaged is None:
        return line is not None
    try:
        read_record(journal, line, progress.lines_read)
    except ValueError:
        return False  # as damaged as it was
    return True


def take_in(paths: StorePaths, connection: duckdb.DuckDBPyConnection) -> IngestReport:
    """Ingest everything, the database being ours: some megabytes a transaction."""
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
    interrupted = [j for j in silent if (j.run_id, j.attempt) in known.started - known.ended]
    if interrupted:
        insert(connection, "statuses", pl.DataFrame(list(map(interruption, interrupted))))
    return IngestReport(
        lines=lines,
        episodes=episodes,
        interrupted=tuple(dict.fromkeys(journal.run_id for journal in interrupted)),
        damaged=damages(known, journals),
    )


@dataclass
class Portion:
    """What goes into one transaction: rows, and how far that gets each journal."""

    batch: Batch = field(default_factory=Batch)
    progress: dict[JournalFile, Progress] = field(default_factory=dict)
    superseding: set[str] = field(default_factory=set)
    size: int = 0
    lines: int = 0

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Write it, within the caller's transaction; return the number of episodes."""
        episodes = self.batch.insert(connection)
        files = [journal.path.name for journal in self.progress]
        connection.register("waiting_rows", pl.DataFrame(list(map(self.row, self.progress))))
        connection.execute(REMEMBER)
        connection.unregister("waiting_rows")
        if self.superseding:
            runs = sorted(self.superseding)
            for table in ("episodes", "validations", "phases"):
                connection.execute(SUPERSEDE.format(table=table), {"runs": runs})
            connection.execute(TRAINED, {"runs": runs, "files": files})
        return episodes

    def row(self, journal: JournalFile) -> dict[str, str | int | None]:
        """Return a row of ``journals``."""
        progress = self.progress[journal]
        return {
            "file": journal.path.name,
            "run_id": journal.run_id,
            "attempt": journal.attempt,
            "bytes_read": progress.bytes_read,
            "lines_read": progress.lines_read,
            "tasks_trained": progress.tasks_trained,
            "damaged": progress.damaged,
        }


def portions(journals: list[JournalFile], known: Known) -> Iterator[Portion]:
    """Yield what waits, attempts of a run in order; a damaged journal stops itself alone."""
    last = {journal.run_id: journal.attempt for journal in journals}
    portion = Portion()
    for journal in journals:
        if not waits(journal, progress := known.of_journal(journal)):
            continue
        if journal.path.stat().st_size < progress.bytes_read:
            progress = replace(progress, damaged=f"after line {progress.lines_read}: it was cut")
            portion.progress[journal] = progress
            continue
        for end, line in journal.lines(progress.bytes_read):
            try:
                record = read_record(journal, line, progress.lines_read)
            except ValueError as err:
                reason = f"line {progress.lines_read + 1}: {err}"
                portion.progress[journal] = replace(progress, damaged=reason)
                break
            add(portion.batch, journal, record, known)
            if journal.attempt < last[journal.run_id] or (
                isinstance(record, Started) and record.attempt > 1
            ):
                portion.superseding.add(journal.run_id)
            progress = Progress(
                bytes_read=end,
                lines_read=progress.lines_read + 1,
                tasks_trained=max(progress.tasks_trained, tasks_trained(record)),
            )
            portion.progress[journal] = progress
            portion.size += len(line)
            portion.lines += 1
            if portion.size >= BATCH_BYTES:
                yield portion
                portion = Portion()
    if portion.progress:
        yield portion


def read_record(journal: JournalFile, line: bytes, lines_before: int) -> Record:
    """Return the record of a journal's line; the first, and it alone, starts the attempt.

    Raises:
        ValueError: The line is damaged.
    """
    record = from_line(line)
    if isinstance(record, Started) != (lines_before == 0):
        raise ValueError("a journal begins with 'started', once")
    if isinstance(record, Started) and (record.run_id, record.attempt) != (
        journal.run_id,
        journal.attempt,
    ):
        raise ValueError(f"it belongs to {record.run_id}.{record.attempt}")
    return record


def add(batch: Batch, journal: JournalFile, record: Record, known: Known) -> None:
    """Add a journal's record to a batch."""
    if isinstance(record, Started):
        batch.add_attempt(record, first=record.run_id not in known.train_datasets)
        known.train_datasets[record.run_id] = record.spec["train_dataset"]
    else:
        dataset = known.train_datasets[journal.run_id]
        batch.add(journal.run_id, journal.attempt, dataset, record)


def tasks_trained(record: Record) -> int:
    """Return how many training tasks a record speaks of."""
    match record:
        case Episodes(phase="train"):
            return max(record.episode, default=-1) + 1
        case Validated():
            return record.tasks
    return 0


def silences(paths: StorePaths, journals: list[JournalFile], known: Known) -> list[JournalFile]:
    """Return the journals of attempts that are over, and of whose end nothing is known."""
    last = {journal.run_id: journal.attempt for journal in journals}
    return [
        journal
        for journal in journals
        if (journal.run_id, journal.attempt) not in known.ended
        and (journal.attempt < last[journal.run_id] or not is_alive(paths, journal.run_id))
    ]


def interruption(journal: JournalFile) -> dict[str, str | int | datetime | bool | None]:
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
        f"{journal.path} is damaged, {damage}; mend or delete that line, and the rest is taken in"
        for journal in journals
        if (damage := known.of_journal(journal).damaged) is not None
    )
