"""Episodes of runs that have had their result for long, all but those of tests, dropped for good.

What is left of a journal is another file, ``NAME.ATTEMPT.pruned.jsonl``, written aside and renamed
before the whole one is removed. While there are both the whole one counts; when there is the
pruned one alone, ingesting puts its rows in the place of those that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from mlbench.errors import StoreBusyError, StoreError, StoreReadOnlyError
from mlbench.store import connection as database
from mlbench.store.ingest import ingest
from mlbench.store.journal import JournalFile, journals_by_run
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE, Episodes, Phase
from mlbench.store.upkeep.aside import file_aside, tidy
from mlbench.store.upkeep.joining import UnreadableError, read_lines
from mlbench.store.upkeep.rebuilding import shrink
from mlbench.store.upkeep.rescuing import rescue
from mlbench.store.upkeep.writing import remove

PRUNABLE = """
    SELECT run_id, count(*)
    FROM episodes JOIN runs USING (run_id)
    WHERE phase IN (SELECT unnest($phases)) AND runs.status IN (SELECT unnest($conclusive))
      AND runs.finished < now() AT TIME ZONE 'UTC' - $age
      AND ($everything OR run_id IN (SELECT unnest($chosen)))
    GROUP BY run_id ORDER BY run_id
"""


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """What could be dropped.

    Args:
        phases: Of which episodes.
        episodes: How many there are in the database, by run.
        journals: Journals that have some, by run.
        size: Bytes of these journals, and of what else they hold.
    """

    phases: Sequence[Phase]
    episodes: dict[str, int]
    journals: dict[str, list[JournalFile]]
    size: int


@dataclass(kw_only=True)
class PruneReport:
    """What was dropped.

    Args:
        runs: That lost episodes.
        journals: Bytes that their journals lost.
        database: Bytes that the database lost.
        troubles: A line for each run that was left as it is.
    """

    runs: list[str] = field(default_factory=list)
    journals: int = 0
    database: int = 0
    troubles: list[str] = field(default_factory=list)


def prunable(
    paths: StorePaths,
    age: timedelta,
    run_ids: Sequence[str] | None = None,
    phases: Sequence[Phase] = ("train",),
) -> Prunable:
    """Return what can be dropped of runs that have had their result for longer than an age.

    Args:
        paths: The store.
        age: Since they ended.
        run_ids: Of these runs alone.
        phases: Of which episodes; what a run was pruned of before is no reason to prune it again.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: It cannot be used.
    """
    tidy(paths.journals)
    rescue(paths)
    ingest(paths)
    with database.read(paths) as connection:
        found = connection.execute(
            PRUNABLE,
            {
                "conclusive": list(CONCLUSIVE),
                "age": age,
                "phases": list(phases),
                "everything": run_ids is None,
                "chosen": list(run_ids or ()),
            },
        ).fetchall()
    journals = {
        run_id: [journal for journal in written if not journal.pruned]
        for run_id, written in journals_by_run(paths).items()
    }
    episodes = {run_id: count for run_id, count in found if journals.get(run_id)}
    chosen = {run_id: journals[run_id] for run_id in episodes}
    size = sum(journal.size() or 0 for each in chosen.values() for journal in each)
    return Prunable(phases=phases, episodes=episodes, journals=chosen, size=size)


def prune(paths: StorePaths, what: Prunable) -> PruneReport:
    """Drop it, from the journals and from the database.

    Where another process holds the database it goes on to have what the journals have not, until
    the next command takes that in.

    Raises:
        StoreError: The database cannot be used.
    """
    report = PruneReport()
    before = size(paths)
    for run_id, journals in what.journals.items():
        try:
            with RunLock(paths, run_id):
                report.journals += sum(
                    prune_journal(paths, journal, what.phases) for journal in journals
                )
        except (StoreError, UnreadableError) as err:
            report.troubles.append(f"{run_id} is left as it is: {err}")
            continue
        report.runs.append(run_id)
    if report.runs:
        try:
            ingest(paths)
            shrink(paths)
        except (StoreBusyError, StoreReadOnlyError) as err:
            report.troubles.append(
                f"The journals are pruned, and the database is not: {err}; the next command takes"
                f" that in, and 'mlbench rebuild{paths.option}' gives the space back"
            )
    report.database = max(0, before - size(paths))
    return report


def prune_journal(paths: StorePaths, journal: JournalFile, phases: Sequence[Phase]) -> int:
    """Put a journal without the episodes of some phases in the place of a whole one.

    The caller holds the run's lock. Returns the bytes saved.

    Raises:
        UnreadableError: It is damaged.
        StoreError: Nothing can be written.
    """
    target = paths.pruned_journal(journal.run_id, journal.attempt)
    before, after = journal.size() or 0, 0
    with file_aside(target) as aside:
        aside.modified = journal.path.stat().st_mtime_ns
        for line, record in read_lines(journal):
            if not (isinstance(record, Episodes) and record.phase in phases):
                after += aside.file.write(line)
    remove(journal.path)
    return before - after


def size(paths: StorePaths) -> int:
    """Return the bytes of the database."""
    return paths.database.stat().st_size if database.exists(paths.database) else 0
