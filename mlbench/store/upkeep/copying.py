"""A copy of a store as it is at one moment, made while runs go on."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlbench.errors import StoreError
from mlbench.store import connection as database
from mlbench.store.ingest import refresh
from mlbench.store.journal import end_of_lines, list_journals
from mlbench.store.paths import DATABASE, StorePaths
from mlbench.store.refusals import explained
from mlbench.store.upkeep.aside import MARK, folder_aside
from mlbench.store.upkeep.databases import copy_from, rows

PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class BackupReport:
    """What was copied.

    Args:
        rows: Of every table.
        journals: How many.
        size: Bytes of everything.
        waiting: Why the database lacks what was recorded last; the copied journals have it.
    """

    rows: dict[str, int]
    journals: int
    size: int
    waiting: str | None


def backup(paths: StorePaths, folder: Path) -> BackupReport:
    """Copy database, journals and checkpoints of a store into a folder that is a store too.

    What goes on from something is copied before it: checkpoints and the database never know more
    than the journals beside them.

    Raises:
        MisuseError: There is something of that name.
        StoreError: There is nothing to copy, or it cannot be.
    """
    paths.check_home()
    if not database.exists(paths.database) and not list_journals(paths):
        raise StoreError(
            f"there is no database {paths.database} and no journal in {paths.journals}; name"
            " another with --db"
        )
    with folder_aside(folder) as aside:
        waiting = refresh(paths).waiting
        copy = StorePaths(aside / DATABASE)
        for kept in ("checkpoints", "tracebacks"):
            copy_files(paths.folder / kept, copy.folder / kept)
        counts = copy_database(paths, copy)
        journals = copy_journals(paths, copy)
        size = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file())
    return BackupReport(rows=counts, journals=journals, size=size, waiting=waiting)


def copy_database(paths: StorePaths, copy: StorePaths) -> dict[str, int]:
    """Copy the database, if there is one; return the rows of each table.

    Raises:
        StoreBusyError: Another process held it all the time.
        StoreError: It cannot be used, or the copy is not like it.
    """
    if not database.exists(paths.database):
        return {}

    def attempt() -> dict[str, int]:
        with explained(paths.database):
            with database.connect_aside(copy.database) as target:
                counts = copy_from(target, paths.database)
                target.execute("CHECKPOINT")
            with database.connect_aside(copy.database, confined=True) as target:
                ((name,),) = target.execute("SELECT current_database()").fetchall()
                if rows(target, name) != counts:
                    raise StoreError(f"the copy of {paths.database} cannot be read; try again")
        return counts

    with database.locked(paths, shared=True, patience=PATIENCE):
        return database.patiently(attempt, PATIENCE)


def copy_journals(paths: StorePaths, copy: StorePaths) -> int:
    """Copy the whole lines of all journals; return how many journals there are."""
    copy.make(copy.journals)
    count = 0
    for listed in list_journals(paths):
        journal = listed.current()
        try:
            source = journal.path.open("rb")
        except FileNotFoundError:
            continue  # deleted by hand
        target = copy.journals / journal.path.name
        with source, target.open("wb") as file:
            end = end_of_lines(source.fileno())
            copy_bytes(source.fileno(), file.fileno(), end)
            times = os.fstat(source.fileno())
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
        count += 1
    return count


def copy_bytes(source: int, target: int, size: int) -> None:
    """Copy the first bytes of a file that may be growing."""
    done = 0
    while done < size:
        block = os.pread(source, min(1 << 20, size - done), done)
        if not block:
            return
        done += os.write(target, block)


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder, each as it is when its turn comes; there may be none."""
    if not source.is_dir():
        return
    target.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.name.endswith(MARK):
            try:
                shutil.copy2(file, target / file.name)
            except FileNotFoundError:
                continue  # a run ended, and has no use for it any more
