"""The database made anew from the journals."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlbench.store import connection as database
from mlbench.store import schema
from mlbench.store.ingest import take_in
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.refusals import DamagedError, explained
from mlbench.store.upkeep.aside import sync, tidy
from mlbench.store.upkeep.databases import Connection, copy_from, replacement, set_aside, vacant
from mlbench.store.upkeep.rescuing import write_journals
from mlbench.store.upkeep.rewriting import Attempt

Counts = dict[tuple[str, int, str], int]

COUNTS = """
    SELECT run_id, attempt, 'episodes: ' || phase, count(*) FROM episodes GROUP BY ALL
    UNION ALL SELECT run_id, attempt, 'validations', count(*) FROM validations GROUP BY ALL
    UNION ALL SELECT run_id, attempt, 'phases', count(*) FROM phases GROUP BY ALL
    UNION ALL SELECT run_id, attempt, 'statuses', count(*) FROM statuses
              WHERE NOT inferred GROUP BY ALL
    UNION ALL SELECT run_id, attempt, 'attempts', count(*) FROM attempts GROUP BY ALL
"""
TRAINING = "episodes: train"
RUNS = "SELECT count(*) FROM runs"


@dataclass(frozen=True, kw_only=True)
class RebuildReport:
    """What was made anew.

    Args:
        runs: In the database.
        episodes: Taken in.
        rescued: Attempts that had no journal, and have one.
        kept: Where the old database is, if there is a reason to keep it.
        reason: That reason.
        damaged: A line for each journal that cannot be read to its end.
    """

    runs: int
    episodes: int
    rescued: tuple[Attempt, ...]
    kept: Path | None
    reason: str
    damaged: tuple[str, ...]


def rebuild(paths: StorePaths, *, patience: float = database.PATIENCE) -> RebuildReport:
    """Make the database anew from the journals, in the place of the old one.

    Attempts that the old one has and journals lack get journals first. An old one that cannot be
    opened is kept under another name, and so is one that has more than the journals.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: It is newer, none of mlbench's, or nothing can be written.
    """
    rescued: list[Attempt] = []
    before: Counts = {}
    kept, reason = None, ""
    with database.locked(paths, shared=False, patience=patience):
        tidy(paths.journals)
        if database.exists(paths.database):
            try:
                with old(paths, patience) as connection:
                    rescued = write_journals(paths, connection)
                    before = counts(connection)
            except DamagedError as err:
                kept, reason = set_aside(paths), str(err).partition("; ")[0]
        with replacement(paths) as connection:
            schema.migrate(connection)
            report = take_in(paths, connection)
            ((runs,),) = connection.execute(RUNS).fetchall()
            if lost := lacking(paths, before, counts(connection)):
                kept, reason = keep(paths), f"it has more of {', '.join(lost)} than their journals"
    return RebuildReport(
        runs=runs,
        episodes=report.episodes,
        rescued=tuple(rescued),
        kept=kept,
        reason=reason,
        damaged=report.damaged,
    )


@contextmanager
def old(paths: StorePaths, patience: float) -> Iterator[Connection]:
    """Open the old database, brought up to date; closed, all that it has is in its file."""
    connection = database.patiently(
        lambda: database.connect(paths.database, read_only=False), patience
    )
    with explained(paths.database), connection:
        schema.check(schema.version(connection), paths.database)
        schema.migrate(connection)
        yield connection
        connection.execute("CHECKPOINT")


def counts(connection: Connection) -> Counts:
    """Return how many rows there are of each attempt, by what they are."""
    return {
        (run, number, what): n for run, number, what, n in connection.execute(COUNTS).fetchall()
    }


def lacking(paths: StorePaths, before: Counts, after: Counts) -> list[str]:
    """Return the runs of which there are fewer rows than before, but for what was pruned."""
    pruned = {(j.run_id, j.attempt) for j in list_journals(paths) if j.pruned}
    return sorted(
        {
            run_id
            for (run_id, attempt, what), count in before.items()
            if after.get((run_id, attempt, what), 0) < count
            and not (what == TRAINING and (run_id, attempt) in pruned)
        }
    )


def keep(paths: StorePaths) -> Path:
    """Give the old database a second name, and return that."""
    kept = vacant(paths)
    try:
        os.link(paths.database, kept)
    except OSError:
        shutil.copyfile(paths.database, kept)  # a disk without links; nobody has it open
        sync(kept)
    return kept


def shrink(paths: StorePaths, *, patience: float = database.PATIENCE) -> None:
    """Give back the space of rows that were deleted: DuckDB does not, but a copy has none of it.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: There is no room for the copy.
    """
    with database.locked(paths, shared=False, patience=patience):
        if not database.exists(paths.database):
            return
        with old(paths, patience):
            pass
        with replacement(paths) as connection:
            copy_from(connection, paths.database)
