"""Follows all runs of a store while they go on, and waits for nobody.

What the database has is read once; from then on runs are followed by the lines that they add to
their journals. While another process holds the database, the journals are all there is: of each,
the first line says what was asked, and the last some hundred kilobytes how far it got.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import Any

from mlbench.errors import StoreBusyError, StoreError
from mlbench.store.connection import read
from mlbench.store.following import Asked, Following
from mlbench.store.journal import JournalFile, journals_by_run
from mlbench.store.lines import from_line
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.queries import run_states
from mlbench.store.records import CONCLUSIVE, Started, StatusChange
from mlbench.store.snapshot import RunRow, Snapshot

PROBE_SECONDS = 5.0  # between two looks at whether the database can be read
PATIENCE = 0.1  # a held lock is told, not waited for
BUDGET_SECONDS = 0.1  # for journals at one poll; what is left is read at the next
TAIL = 256 << 10  # bytes of a journal that say how far it got
SUPERSEDED = re.compile(rb'\{"type":"episodes","position":[0-9]+,"phase":"(train|validation)"')


class Feed:
    """All runs of a store, looked at again and again by one thread; nothing is ever written.

    Args:
        paths: The store; neither database nor journals need exist.
    """

    def __init__(self, paths: StorePaths) -> None:
        self.paths = paths
        self.runs: dict[str, Following] = {}
        self.offsets: dict[Path, int] = {}
        self.looked: dict[str, int] = {}  # at which poll a run's journals were read last
        self.polls = 0
        self.damages: dict[Path, str] = {}
        self.concluded: frozenset[str] = frozenset()
        self.held: str | None = None
        self.readable = False
        self.probed = -PROBE_SECONDS
        self.stamp = 0
        self.asked = -1  # the stamp at which the database was last asked for states

    def poll(self) -> Snapshot:
        """Return how all runs stand now."""
        if not self.readable or monotonic() - self.probed >= PROBE_SECONDS:
            self.look_at_database()
            self.probed = monotonic()
        self.polls += 1
        self.look_at_journals()
        rows = [self.row(run) for run in self.runs.values()]
        rows.sort(key=lambda row: (row.started, row.run_id), reverse=True)
        concluded = frozenset(row.run_id for row in rows if row.status in CONCLUSIVE)
        if concluded != self.concluded:
            self.concluded = concluded
            self.stamp += 1
        return Snapshot(
            runs=tuple(rows),
            held=self.held,
            stamp=self.stamp,
            damaged=tuple(line for _, line in sorted(self.damages.items())),
        )

    def row(self, run: Following) -> RunRow:
        """Return how a run stands, alive or not."""
        return run.row(alive=run.status is None and is_alive(self.paths, run.asked.run_id))

    def look_at_database(self) -> None:
        """Ask the database for what is not known yet; otherwise see whether it can be read."""
        try:
            if self.readable and self.asked == self.stamp:
                with read(self.paths, patience=PATIENCE):
                    pass
            else:
                stamp = self.stamp
                for state in run_states(self.paths, patience=PATIENCE).iter_rows(named=True):
                    self.recall(state)
                self.asked = stamp
        except StoreBusyError as error:
            if error.ours:
                return  # a query of our own, on another thread
            self.held = (
                f"{self.paths.database} is in use by {error.holder}: progress comes from the"
                " journals, results wait until it is closed there"
            )
            self.readable = False
        except StoreError as error:
            self.held, self.readable = str(error), False
        else:
            if self.held is not None:
                self.stamp += 1
            self.held, self.readable = None, True

    def recall(self, state: dict[str, Any]) -> None:
        """Take in what the database knows of a run, where its journals have told less."""
        run_id = state["run_id"]
        run = self.runs.get(run_id)
        if run is None:
            asked = Asked(
                **{field.name: state[field.name] for field in fields(Asked)}
                | {"eval_datasets": tuple(state["eval_datasets"])}
            )
            run = self.runs[run_id] = Following(
                asked=asked,
                attempt=state["attempts"],
                host=state["host"],
                pid=state["pid"],
                status=None if state["status"] == "running" else state["status"],
                error=state["error"],
                ended=state["finished"],
                tasks_trained=state["tasks_trained"],
            )
        for name in ("validation", "best"):
            if getattr(run, name) is None:
                setattr(run, name, state[name])
        if run.score is None and run.status in CONCLUSIVE:
            run.score = state["score"]

    def look_at_journals(self) -> None:
        """Read what was added to the journals, until the time for that is up.

        How runs that were never looked at ended is read before how they got there.
        """
        try:
            waiting = self.waiting()
        except OSError as error:
            self.unreadable(self.paths.journals, error)
            return
        self.damages.pop(self.paths.journals, None)
        began = monotonic()
        for step in (self.open, self.follow):
            for journal in waiting:
                try:
                    step(journal)
                except FileNotFoundError:
                    self.offsets.pop(journal.path, None)
                except OSError as error:
                    self.unreadable(journal.path, error)
                if monotonic() - began > BUDGET_SECONDS:
                    return

    def unreadable(self, path: Path, error: OSError) -> None:
        """Tell, until it can be read, that the journals or one of them cannot: another user's."""
        self.damages[path] = f"{path} cannot be read: {error.strerror}"

    def waiting(self) -> list[JournalFile]:
        """Return the journals that have something new, attempts of a run in order.

        Runs that were not read for longest come first, however many others are written to; of
        those that never were, the ones that were written to last.
        """
        found = []
        for run_id, journals in journals_by_run(self.paths).items():
            known = self.runs.get(run_id)
            new, written = [], 0.0
            for journal in journals:
                size, written = self.size_of(journal)
                if known and journal.path not in self.offsets and is_over(journal, known):
                    self.offsets[journal.path] = size  # the database had it all
                if size != self.offsets.get(journal.path):
                    new.append(journal)
            if new:
                found.append((self.looked.get(run_id, 0), -written, new))
        found.sort(key=lambda entry: entry[:2])
        return [journal for _, _, new in found for journal in new]

    def size_of(self, journal: JournalFile) -> tuple[int, float]:
        """Return the size of a journal and when it was written last; 0 where it has gone."""
        try:
            found = journal.path.stat()
        except OSError:
            return 0, 0.0
        return found.st_size, found.st_mtime

    def open(self, journal: JournalFile) -> None:
        """Begin to follow a journal: how the attempt started and, if it is over, how it ended."""
        path = journal.path
        if path in self.offsets:
            return
        end, line = next(journal.lines(0), (0, b""))
        if not line:
            return  # not even the first line is complete
        try:
            first = from_line(line)
        except ValueError:
            first = None
        if not isinstance(first, Started):
            self.damages[path] = f"{path} is damaged: it does not begin with a start"
            self.offsets[path] = self.size_of(journal)[0]
            return
        self.offsets[path] = end
        run = self.runs.get(journal.run_id)
        if run is None:
            run = self.runs[journal.run_id] = Following(asked=Asked.of(first), attempt=0)
        if journal.attempt > run.attempt:
            run.take(first)
            last = journal.last()
            if isinstance(last, StatusChange):
                run.take(last)

    def follow(self, journal: JournalFile) -> None:
        """Read what a journal has that was not read before, or the last of it if that is much."""
        path = journal.path
        start = self.offsets.get(path)
        size, _ = self.size_of(journal)
        if start is None or journal.run_id not in self.runs or size == start:
            return
        if size < start:  # cut or put in another's place
            start = 0
        leap = size - start > TAIL
        run = self.runs[journal.run_id]
        self.damages.pop(path, None)
        for end, line in skimmed(journal.lines(size - TAIL if leap else start)):
            try:
                record = None if leap else from_line(line)  # after a leap, a line is rarely whole
            except ValueError as reason:
                self.damages[path] = f"{path} is damaged: {reason}"
                start = size
                break
            if record is not None:
                run.take(record)
            leap, start = False, end
        self.offsets[path] = start
        self.looked[journal.run_id] = self.polls


def skimmed(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Leave out episodes of training and validation on which more of the same phase follow.

    The last of them say how far the run is, and the more runs there are, the more lines have been
    added since one was read last. Test episodes all count for the score.
    """
    held, phase = None, None
    for end, line in lines:
        match = SUPERSEDED.match(line)
        if held is not None and (match is None or match[1] != phase):
            yield held
        held, phase = ((end, line), match[1]) if match else (None, None)
        if held is None:
            yield end, line
    if held is not None:
        yield held


def is_over(journal: JournalFile, run: Following) -> bool:
    """Return whether a journal, not followed so far, has nothing to add to what is known."""
    return journal.attempt < run.attempt or (
        journal.attempt == run.attempt and run.status in CONCLUSIVE
    )
