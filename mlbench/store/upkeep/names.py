"""Names of runs that come from elsewhere, and what tells two runs apart that have the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from mlbench.errors import StoreError
from mlbench.store.journal import JournalFile, list_journals
from mlbench.store.lines import utc
from mlbench.store.paths import StorePaths
from mlbench.store.records import Started

NAME = re.compile(r"\w[\w.+@=,-]*")
LONGEST = 200  # bytes; files have 255, and more than the name of the run in theirs
ATTEMPTS = 1_000_000

Origin = tuple[int, str, datetime, str, int]


def check_name(run_id: object, attempt: object) -> None:
    """Refuse a name that could become a path elsewhere, an option or a word of a shell.

    Raises:
        StoreError: It is one.
    """
    good = isinstance(run_id, str) and NAME.fullmatch(run_id) and len(run_id.encode()) <= LONGEST
    if not good:
        raise StoreError(
            f"a run is named {str(run_id)[:LONGEST]!r}, as mlbench names none; it is left out"
        )
    if type(attempt) is not int or not 0 < attempt < ATTEMPTS:
        raise StoreError(f"{run_id} has an attempt {attempt!r}, which is none; it is left out")


def origin(started: Started) -> Origin:
    """Return what tells one attempt from all others, whatever its run is called."""
    provenance = started.provenance
    return (
        started.attempt,
        started.spec_hash,
        utc(started.at),
        provenance["host"],
        provenance["pid"],
    )


class Names:
    """Which runs a store has, by their names and by where they come from."""

    def __init__(self, paths: StorePaths) -> None:
        self.taken: dict[str, dict[int, Origin]] = {}
        self.origins: dict[Origin, str] = {}
        for journal in list_journals(paths):
            self.add(journal)

    def add(self, journal: JournalFile) -> None:
        """Note an attempt of ours."""
        first = journal.first()
        self.note(journal.run_id, [] if first is None else [origin(first)])

    def note(self, run_id: str, origins: Iterable[Origin]) -> None:
        """Note where a run that is here, or is going to be, comes from."""
        attempts = self.taken.setdefault(run_id, {})
        for each in origins:
            attempts[each[0]] = each
            self.origins.setdefault(each, run_id)

    def name(self, run_id: str, attempts: Iterable[Origin]) -> str:
        """Return what a run from elsewhere is called here: as before, or as no other is.

        Raises:
            StoreError: Some of its attempts are here, and others were made here.
        """
        attempts = list(attempts)
        known = next((self.origins[each] for each in attempts if each in self.origins), None)
        if known is None:
            number, name = 1, run_id
            while name in self.taken:
                number += 1
                name = f"{run_id}-{number}"
            return name
        ours = self.taken[known]
        for each in attempts:
            if ours.get(each[0], each) != each:
                raise StoreError(
                    f"{run_id} went on in two places: attempt {each[0]} of {known} here is another;"
                    " it is left as it is"
                )
        return known
