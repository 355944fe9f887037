"""What a merge takes runs from: databases, folders of journals and exported tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlbench.errors import MisuseError, StoreBusyError, StoreError
from mlbench.store.journal import JournalFile, journals_in
from mlbench.store.paths import StorePaths
from mlbench.store.records import Started
from mlbench.store.upkeep.databases import Connection, foreign
from mlbench.store.upkeep.names import check_name
from mlbench.store.upkeep.parquet import is_export, loaded
from mlbench.store.upkeep.rewriting import Attempt, Told, attempts_in


@dataclass
class Source:
    """Attempts by run, from journals where there are some, and else from a database.

    Args:
        name: As it was given.
        journals: By attempt.
        told: What the database has of others.
        connection: To that database.
        troubles: A line for each thing that cannot be taken.
    """

    name: Path
    journals: dict[Attempt, JournalFile] = field(default_factory=dict)
    told: dict[Attempt, Told] = field(default_factory=dict)
    connection: Connection | None = None
    troubles: list[str] = field(default_factory=list)
    started: dict[Attempt, Started] = field(default_factory=dict)

    def add_journals(self, folder: Path) -> None:
        """Add the journals of a folder, as far as they can be."""
        for journal in journals_in(folder):
            which = journal.run_id, journal.attempt
            if not journal.path.is_file():
                continue
            try:
                check_name(*which)
                first = journal.first()
            except (OSError, StoreError) as err:
                self.troubles.append(f"{self.name}: {getattr(err, 'strerror', None) or err}")
                continue
            if first is None or (first.run_id, first.attempt) != which:
                if journal.size():
                    self.troubles.append(
                        f"{journal.path} does not begin as it should; ask for another copy"
                    )
                continue
            self.journals[which] = journal
            self.started[which] = first

    def add_database(self, connection: Connection) -> None:
        """Add what a database has and journals lack.

        Raises:
            StoreError: It is not as mlbench writes it.
        """
        self.connection = connection
        for which, told in attempts_in(connection).items():
            if which in self.journals:
                continue
            try:
                check_name(*which)
            except StoreError as err:
                self.troubles.append(f"{self.name}: {err}")
                continue
            self.told[which] = told
            self.started[which] = told.started

    def runs(self) -> dict[str, list[Attempt]]:
        """Return the attempts of every run, in order."""
        runs: dict[str, list[Attempt]] = {}
        for which in sorted(self.started):
            runs.setdefault(which[0], []).append(which)
        return runs


@contextmanager
def opened(path: Path, ours: StorePaths) -> Iterator[Source]:
    """Open what a path stands for; nothing is written there.

    Raises:
        MisuseError: It stands for nothing that runs can be taken from.
        StoreError: It cannot be used.
    """
    if path.is_file():
        with database(path, ours) as source:
            yield source
        return
    if not path.is_dir():
        raise MisuseError(f"there is no {path}; name a database, or a folder of journals or tables")
    if is_export(path):
        source = Source(path)
        with loaded(path, ours.folder) as connection:
            source.add_database(connection)
            yield source
        return
    for folder in (path / "journal", path):
        if journals_in(folder):
            refuse_ourselves(folder, ours.journals)
            source = Source(path)
            source.add_journals(folder)
            yield source
            return
    files = sorted(path.glob("*.duckdb"))
    if len(files) != 1:
        raise MisuseError(
            f"{path} has neither journals nor tables that 'mlbench export' wrote"
            + (", and more than one database; name one" if files else "")
        )
    with database(files[0], ours) as source:
        yield source


@contextmanager
def database(path: Path, ours: StorePaths) -> Iterator[Source]:
    """Open a database, with the journals that lie beside it."""
    refuse_ourselves(path, ours.database)
    source = Source(path)
    if path.suffix:
        source.add_journals(StorePaths(path).journals)
    with ExitStack() as held:
        try:
            source.add_database(held.enter_context(foreign(path, ours.folder)))
        except StoreBusyError as err:
            if not source.journals:
                raise
            source.troubles.append(f"{err}; what its journals have was taken")
        yield source


def refuse_ourselves(path: Path, ours: Path) -> None:
    """Refuse to take from a store what is in it.

    Raises:
        MisuseError: It is the same place.
    """
    if ours.exists() and path.samefile(ours):
        raise MisuseError(f"{path} is of this very store; name another one")
