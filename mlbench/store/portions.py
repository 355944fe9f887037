"""What waits in journals, in portions of one transaction each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from mlbench.store.batch import Batch, framed
from mlbench.store.journal import JournalFile
from mlbench.store.lines import from_line
from mlbench.store.records import (
    CONCLUSIVE,
    Episodes,
    PhaseTime,
    Record,
    Started,
    StatusChange,
    Validated,
)

BATCH_BYTES = 64 << 20
MISSING = "are missing"

PROGRESS = "SELECT file, bytes_read, lines_read, tasks_trained, damaged, position FROM journals"
DATASETS = "SELECT DISTINCT run_id, train_dataset FROM attempts"
ENDED = "SELECT DISTINCT run_id, attempt FROM statuses"
KNOWN = "SELECT run_id, attempt FROM attempts"
REMEMBER = """
    MERGE INTO journals USING waiting_rows AS read ON journals.file = read.file
    WHEN MATCHED THEN UPDATE SET
        bytes_read = read.bytes_read, lines_read = read.lines_read, damaged = read.damaged,
        position = read.position,
        tasks_trained = greatest(journals.tasks_trained, read.tasks_trained)
    WHEN NOT MATCHED THEN INSERT BY NAME
"""
SUPERSEDE = """
    DELETE FROM {table} AS old USING attempts AS later
    WHERE old.run_id = later.run_id AND later.run_id IN (SELECT unnest($runs))
      AND old.attempt < later.attempt AND old.position >= later.position
"""
REPLACED = (
    "attempts", "machines", "packages", "plugin_files", "episodes", "validations", "phases",
    "journals", "statuses",
)  # fmt: skip
FORGET = """
    DELETE FROM {table} AS old USING (SELECT unnest($runs) AS run_id, unnest($attempts) AS attempt)
        AS replaced
    WHERE old.run_id = replaced.run_id AND old.attempt = replaced.attempt {condition}
"""
FORGET_TESTS = "DELETE FROM test_scores WHERE run_id IN (SELECT unnest($runs))"
SUM_TESTS = """
    INSERT INTO test_scores BY NAME
    SELECT
        run_id, eval_dataset,
        avg(score) AS score,
        -- The deviation of what is not finite, or overflows when squared, is an error to DuckDB.
        CASE WHEN bool_and(abs(score) < 1e150)
             THEN stddev_samp(score) FILTER (WHERE abs(score) < 1e150) END AS score_sd,
        -- DuckDB takes NaN for the largest number, and would find a median above it.
        CASE WHEN bool_or(isnan(score)) THEN 'NaN'::DOUBLE ELSE median(score) END AS score_median,
        avg(loss) AS loss,
        count(*) AS episodes,
        count(*) FILTER (WHERE NOT (isfinite(loss) AND isfinite(score))) AS nan_episodes
    FROM episodes
    WHERE phase = 'test' AND run_id IN (SELECT unnest($runs))
    GROUP BY run_id, eval_dataset
"""
TRAINED = """
    UPDATE journals SET tasks_trained = greatest(tasks_trained, trained.tasks)
    FROM (SELECT run_id, max(episode) + 1 AS tasks FROM episodes
          WHERE phase = 'train' AND run_id IN (SELECT unnest($runs)) GROUP BY run_id) AS trained
    WHERE journals.run_id = trained.run_id AND journals.file IN (SELECT unnest($files))
"""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a journal was read.

    Args:
        position: Of the record that comes next; ``None`` where it is not known.
    """

    bytes_read: int = 0
    lines_read: int = 0
    tasks_trained: int = 0
    damaged: str | None = None
    position: int | None = None

    def after(self, record: Record, end: int, *, pruned: bool) -> Progress:
        """Return how far a journal was read when its next record was, up to byte ``end``.

        Raises:
            ValueError: Records before this one are missing, or it was there before.
        """
        return Progress(
            bytes_read=end,
            lines_read=self.lines_read + 1,
            tasks_trained=max(self.tasks_trained, tasks_trained(record)),
            position=following(record, self.position, pruned=pruned),
        )


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
            file: Progress(
                bytes_read=size,
                lines_read=lines,
                tasks_trained=tasks,
                damaged=damaged,
                position=position,
            )
            for file, size, lines, tasks, damaged, position in rows
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

    def replaced_by(self, journal: JournalFile) -> bool:
        """Return whether a journal stands for what was taken in from another: it was pruned."""
        attempt = journal.run_id, journal.attempt
        return attempt in self.started and journal.path.name not in self.progress


def waits(journal: JournalFile, progress: Progress) -> bool:
    """Return whether a journal has something to take in, or to complain of."""
    size = journal.size()
    if size is None:
        return False
    if size == progress.bytes_read:
        return progress.damaged is not None  # what was damaged is no longer there
    if size < progress.bytes_read:
        return progress.damaged is None
    line = next((line for _, line in journal.lines(progress.bytes_read)), None)
    if line is None or progress.damaged is None:
        return line is not None
    try:
        record = read_record(journal, line, progress.lines_read)
        progress.after(record, size, pruned=journal.pruned)
    except ValueError:
        return False  # as damaged as it was
    return True


@dataclass
class Portion:
    """What goes into one transaction: rows, and how far that gets each journal."""

    batch: Batch = field(default_factory=Batch)
    progress: dict[JournalFile, Progress] = field(default_factory=dict)
    superseding: set[str] = field(default_factory=set)
    replacing: set[tuple[str, int]] = field(default_factory=set)
    size: int = 0
    lines: int = 0

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Write it, within the caller's transaction; return the number of episodes."""
        self.forget(connection)
        episodes = self.batch.insert(connection)
        files = [journal.path.name for journal in self.progress]
        connection.register("waiting_rows", framed(list(map(self.row, self.progress))))
        connection.execute(REMEMBER)
        connection.unregister("waiting_rows")
        if self.superseding:
            runs = sorted(self.superseding)
            for table in ("episodes", "validations", "phases"):
                connection.execute(SUPERSEDE.format(table=table), {"runs": runs})
            connection.execute(TRAINED, {"runs": runs, "files": files})
        if tested := sorted(self.batch.tested | self.superseding):
            connection.execute(FORGET_TESTS, {"runs": tested})
            connection.execute(SUM_TESTS, {"runs": tested})
        return episodes

    def forget(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Delete what was taken in from journals that others have replaced.

        What was inferred from an attempt's silence stays.
        """
        if not self.replacing:
            return
        runs, attempts = (list(column) for column in zip(*sorted(self.replacing), strict=True))
        for table in REPLACED:
            condition = "AND NOT old.inferred" if table == "statuses" else ""
            text = FORGET.format(table=table, condition=condition)
            connection.execute(text, {"runs": runs, "attempts": attempts})

    def row(self, journal: JournalFile) -> dict[str, Any]:
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
            "position": progress.position,
        }


def portions(journals: list[JournalFile], known: Known) -> Iterator[Portion]:
    """Yield what waits, attempts of a run in order; a damaged journal stops itself alone."""
    last = {journal.run_id: journal.attempt for journal in journals}
    portion = Portion()
    for journal in journals:
        if not waits(journal, progress := known.of_journal(journal)):
            continue
        if replaces := known.replaced_by(journal):
            portion.replacing.add((journal.run_id, journal.attempt))
            portion.superseding.add(journal.run_id)
        size = journal.size()
        if size is not None and size < progress.bytes_read:
            progress = replace(progress, damaged=f"after line {progress.lines_read}: it was cut")
            portion.progress[journal] = progress
            continue
        if size == progress.bytes_read:
            portion.progress[journal] = replace(progress, damaged=None)
            continue
        for end, line in journal.lines(progress.bytes_read):
            try:
                record = read_record(journal, line, progress.lines_read)
                progress = progress.after(record, end, pruned=journal.pruned)
            except ValueError as err:
                reason = f"line {progress.lines_read + 1}: {err}"
                portion.progress[journal] = replace(progress, damaged=reason)
                break
            add(portion.batch, journal, record, known)
            if journal.attempt < last[journal.run_id] or (
                isinstance(record, Started) and record.attempt > 1
            ):
                portion.superseding.add(journal.run_id)
            portion.progress[journal] = progress
            portion.size += len(line)
            portion.lines += 1
            if portion.size >= BATCH_BYTES and not replaces:
                yield portion
                portion = Portion()
        if portion.size >= BATCH_BYTES:  # what takes the place of rows does so at once
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


def following(record: Record, expected: int | None, *, pruned: bool) -> int | None:
    """Return the position of what comes after a record.

    How an attempt ended takes no position of its own. An attempt that failed, or was stopped, may
    never have written the last that it counted; one that has its result has written everything.

    Args:
        record: The next one of a journal.
        expected: Its position, if that is known.
        pruned: Whether training episodes were taken out of the journal.

    Raises:
        ValueError: Positions before it are missing, or it was there before.
    """
    start = record.position
    if isinstance(record, Started):
        return start
    if isinstance(record, StatusChange):
        start = max(start, expected or 0) if record.status in CONCLUSIVE else expected or 0
    if expected is not None and isinstance(record, PhaseTime) and abs(start - expected) == 1:
        # journals of several runs that were one program have the position of the second for both of
        # two phases that ended together, if they are older than this check
        start = expected
    if expected is not None and start > expected and not pruned:
        raise ValueError(f"positions {expected} to {start - 1} {MISSING}")
    if isinstance(record, StatusChange):
        return expected
    if expected is not None and start < expected:
        raise ValueError(f"position {start} was there before")
    return start + (len(record.episode) if isinstance(record, Episodes) else 1)


def tasks_trained(record: Record) -> int:
    """Return how many training tasks a record speaks of."""
    match record:
        case Episodes(phase="train"):
            return max(record.episode, default=-1) + 1
        case Validated():
            return record.tasks
    return 0
