"""Attempts that only the database knows get journals: whatever is made of journals has them too."""

from __future__ import annotations

from collections.abc import Collection

from mlbench.errors import StoreError
from mlbench.store.connection import PATIENCE, exists, read, write
from mlbench.store.journal import list_journals
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.portions import FORGET, KNOWN
from mlbench.store.upkeep.databases import Connection
from mlbench.store.upkeep.names import check_name
from mlbench.store.upkeep.rewriting import Attempt, attempts_in, records_in
from mlbench.store.upkeep.writing import add, ended


def rescue(paths: StorePaths, *, patience: float = PATIENCE) -> list[Attempt]:
    """Write the journals that are missing, and return of which attempts they are.

    Raises:
        StoreError: The database cannot be used.
    """
    if not exists(paths.database):
        return []
    with read(paths, patience=patience) as connection:
        if not orphans(paths, connection):
            return []
    with write(paths, patience=patience) as connection:
        return write_journals(paths, connection)


def orphans(paths: StorePaths, connection: Connection) -> set[Attempt]:
    """Return the attempts that have rows and no journal."""
    there = {(journal.run_id, journal.attempt) for journal in list_journals(paths)}
    return set(connection.execute(KNOWN).fetchall()) - there


def write_journals(paths: StorePaths, connection: Connection) -> list[Attempt]:
    """Write the journals that are missing; the database is ours alone.

    First it forgets how far it had read them: what is taken in from them takes the place of rows
    that it has.
    """
    lacking = {which for which in orphans(paths, connection) if is_named(which)}
    if not lacking:
        return []
    forget(connection, lacking)
    told = {which: each for which, each in attempts_in(connection).items() if which in lacking}
    for each, records in records_in(connection, told):
        run_id, attempt = each.attempt
        with RunLock(paths, run_id):
            add(paths, run_id, attempt, ((None, record) for record in records), ended(each))
    return sorted(told)


def is_named(which: Attempt) -> bool:
    """Return whether an attempt has a name that a journal can have."""
    try:
        check_name(*which)
    except StoreError:
        return False
    return True


def forget(connection: Connection, attempts: Collection[Attempt]) -> None:
    """Forget how far the journals of some attempts were read."""
    runs, numbers = (list(column) for column in zip(*sorted(attempts), strict=True))
    text = FORGET.format(table="journals", condition="")
    connection.execute(text, {"runs": runs, "attempts": numbers})
