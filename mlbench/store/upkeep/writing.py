"""Attempts from elsewhere as journals of ours: made, or added to, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlbench.errors import StoreError
from mlbench.store.journal import JournalFile, end_of_lines
from mlbench.store.lines import encode, utc
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE, Episodes, Record, Started, StatusChange
from mlbench.store.upkeep.aside import Aside, file_aside, sync
from mlbench.store.upkeep.joining import Contents, UnreadableError
from mlbench.store.upkeep.rewriting import Told, line_of

BEGIN = datetime(1970, 1, 1)  # noqa: DTZ001  UTC, as the database has it


@dataclass(frozen=True, kw_only=True)
class Added:
    """What was added to an attempt.

    Args:
        records: Lines, the first one too.
        episodes: Among them.
        trouble: Why what came after them was not.
    """

    records: int = 0
    episodes: int = 0
    trouble: str | None = None


def journal_of(paths: StorePaths, run_id: str, attempt: int) -> JournalFile | None:
    """Return the journal of one attempt of ours, ``None`` if there is none."""
    for path in (paths.journal(run_id, attempt), paths.pruned_journal(run_id, attempt)):
        if path.exists():
            return JournalFile(run_id, attempt, path)
    return None


def is_complete(ours: JournalFile) -> bool:
    """Return whether nothing can be added to an attempt, because it ended with a result."""
    last = ours.last()
    return isinstance(last, StatusChange) and last.status in CONCLUSIVE


def add(
    paths: StorePaths,
    run_id: str,
    attempt: int,
    theirs: Iterable[tuple[bytes | None, Record]],
    modified: int | None,
) -> Added:
    """Add to an attempt of ours what it lacks of another's records; the run's lock is held.

    Args:
        paths: Our store.
        run_id: What the run is called here.
        attempt: Its attempt.
        theirs: Lines, where there are any, and records, from the first.
        modified: When they were written last; nanoseconds since 1970.

    Raises:
        StoreError: What is here is something else, or nothing can be written.
    """
    ours = journal_of(paths, run_id, attempt)
    records, episodes, trouble = 0, 0, None
    paths.make(paths.journals)
    with file_aside(paths.journal(run_id, attempt)) as aside:
        try:
            contents = None if ours is None else begun(ours, aside)
            for line, record in theirs:
                if contents is None:
                    contents, rest = Contents(end=record.position), record
                elif (found := contents.take(record)) is None:
                    continue
                else:
                    rest = found
                aside.file.write(text(line if rest is record else None, rest, run_id))
                records += 1
                episodes += len(rest.episode) if isinstance(rest, Episodes) else 0
        except UnreadableError as err:
            trouble = str(err)
        except ValueError as err:
            raise StoreError(
                f"{run_id}.{attempt} is another run here than there ({err}); it is left as it is"
            ) from err
        target = paths.pruned_journal if contents and contents.gaps else paths.journal
        aside.path = target(run_id, attempt) if records else None
        aside.modified = modified
    if ours is not None and aside.path not in {None, ours.path}:
        remove(ours.path)
    return Added(records=records, episodes=episodes, trouble=trouble)


def begun(ours: JournalFile, aside: Aside) -> Contents:
    """Copy the whole lines of a journal, and return what they hold.

    Raises:
        UnreadableError: It is damaged.
    """
    contents = Contents.of(ours)
    with ours.path.open("rb") as file:
        shutil.copyfileobj(file, aside.file)
        aside.file.truncate(end_of_lines(file.fileno()))
    aside.file.seek(0, os.SEEK_END)
    return contents


def text(line: bytes | None, record: Record, run_id: str) -> bytes:
    """Return the line of a record in the journal of a run of ours, as it was where that can be."""
    if line is None:
        line = line_of(record)
    if isinstance(record, Started) and record.run_id != run_id:
        return encode(json.loads(line) | {"run_id": run_id}).encode() + b"\n"
    return line


def remove(path: Path) -> None:
    """Remove a journal that another has taken the place of."""
    os.unlink(path)  # noqa: PTH108  tests stop here
    sync(path.parent)


def ended(told: Told) -> int | None:
    """Return when an attempt wrote last, in nanoseconds since 1970, as far as a database knows."""
    last = told.silent
    if last is None and told.statuses:
        last = utc(told.statuses[-1].at)
    return None if last is None else (last - BEGIN) // timedelta(microseconds=1) * 1000
