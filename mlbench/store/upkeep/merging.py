"""Runs of others taken into a store: each once, however often, with all that is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlbench.errors import StoreError
from mlbench.store.journal import JournalFile
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record
from mlbench.store.upkeep.aside import tidy
from mlbench.store.upkeep.joining import alike, read_lines
from mlbench.store.upkeep.names import Names, origin
from mlbench.store.upkeep.rescuing import rescue
from mlbench.store.upkeep.rewriting import Attempt, records_in
from mlbench.store.upkeep.sources import Source, opened
from mlbench.store.upkeep.writing import Added, add, ended, is_complete, journal_of


@dataclass
class MergeReport:
    """What was taken from one source.

    Args:
        source: As it was given.
        runs: That it has.
        fresh: Runs that were not here before.
        grown: Runs that were, with less.
        renamed: What runs are called here whose names others have.
        episodes: Taken in.
        troubles: A line for each thing that could not be.
    """

    source: Path
    runs: int = 0
    fresh: set[str] = field(default_factory=set)
    grown: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    episodes: int = 0
    troubles: list[str] = field(default_factory=list)


def merge(paths: StorePaths, path: Path) -> MergeReport:
    """Take what a database, a folder of journals or exported tables have and a store lacks.

    All of it becomes journals of the store, to be ingested as any other; nothing is written to
    where it comes from.

    Raises:
        MisuseError: There is nothing of the kind.
        StoreError: It cannot be used, or nothing can be written here.
    """
    paths.make(paths.folder)
    tidy(paths.journals)
    rescue(paths)
    with opened(path, paths) as source:
        return Merging(paths, source).report


class Merging:
    """One source on its way into a store."""

    def __init__(self, paths: StorePaths, source: Source) -> None:
        self.paths = paths
        self.source = source
        self.report = MergeReport(source.name, troubles=source.troubles)
        self.names = Names(paths)
        self.here = set(self.names.taken)
        self.called = self.plan()
        for which in sorted(self.called):
            if which in source.journals:
                self.take_journal(source.journals[which], self.called[which])
        told = {which: each for which, each in source.told.items() if self.lacks(which)}
        if source.connection is not None:
            for each, records in records_in(source.connection, told):
                pairs = ((None, record) for record in records)
                self.take(each.attempt, pairs, ended(each))

    def plan(self) -> dict[Attempt, str]:
        """Return what the run of each attempt that can be taken is called here."""
        called: dict[Attempt, str] = {}
        for run_id, attempts in self.source.runs().items():
            self.report.runs += 1
            origins = [origin(self.source.started[which]) for which in attempts]
            try:
                name = self.names.name(run_id, origins)
            except StoreError as err:
                self.report.troubles.append(str(err))
                continue
            self.names.note(name, origins)
            called |= dict.fromkeys(attempts, name)
            if name != run_id:
                self.report.renamed[run_id] = name
        return called

    def lacks(self, which: Attempt) -> bool:
        """Return whether something may have to be taken of an attempt."""
        if which not in self.called:
            return False
        ours = journal_of(self.paths, self.called[which], which[1])
        return ours is None or not is_complete(ours)

    def take_journal(self, journal: JournalFile, name: str) -> None:
        """Take what a journal has."""
        which = journal.run_id, journal.attempt
        ours = journal_of(self.paths, name, journal.attempt)
        try:
            if not self.lacks(which) or (ours is not None and alike(journal.path, ours.path)):
                return
            self.take(which, read_lines(journal), journal.path.stat().st_mtime_ns)
        except OSError as err:
            self.report.troubles.append(f"{journal.path} cannot be read: {err.strerror}")

    def take(
        self,
        which: Attempt,
        records: Iterator[tuple[bytes | None, Record]],
        modified: int | None,
    ) -> None:
        """Add to an attempt of ours what it lacks."""
        name = self.called[which]
        try:
            with RunLock(self.paths, name):
                added = add(self.paths, name, which[1], records, modified)
        except StoreError as err:
            self.report.troubles.append(f"{which[0]} of {self.source.name} is left out: {err}")
            return
        self.count(name, added)

    def count(self, name: str, added: Added) -> None:
        """Count what was added."""
        if added.trouble is not None:
            self.report.troubles.append(added.trouble)
        if added.records:
            (self.report.grown if name in self.here else self.report.fresh).add(name)
            self.report.episodes += added.episodes
