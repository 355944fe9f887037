"""The journal of a run: an append-only file that one process writes and anybody reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mlbench.errors import StoreError
from mlbench.store.lines import from_line, to_line
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record, Started, Status, StatusChange

NAME = re.compile(r"(?P<run_id>.+)\.(?P<attempt>[1-9][0-9]*)\.jsonl")
BLOCK = 1 << 16


class Journal:
    """Appends records to the journal of one attempt; whole lines or nothing.

    A single ``write`` on a descriptor opened with ``O_APPEND`` takes a few microseconds and
    survives the death of the process; :meth:`sync` makes it survive the machine's.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = 0
        self.named = False  # whether the folder's entry has reached the disk

    @classmethod
    def open(cls, paths: StorePaths, run_id: str, attempt: int) -> Self:
        """Create the journal of an attempt.

        Raises:
            StoreError: It exists already, or cannot be made.
        """
        paths.make(paths.journals)
        path = paths.journal(run_id, attempt)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return cls(path, os.open(path, flags, 0o666))
        except OSError as err:
            raise StoreError(
                f"{path} cannot be made: {err.strerror}; 'mlbench resume {run_id}' starts"
                " another attempt"
            ) from err

    def append(self, records: Iterable[Record]) -> None:
        """Write records, in one go.

        Raises:
            StoreError: They do not fit on the disk; the journal is then as it was before.
        """
        lines = b"".join(map(to_line, records))
        try:
            written = os.write(self.descriptor, lines)
            reason = "the disk or the quota is full"
        except OSError as err:
            written, reason = 0, err.strerror or str(err)
        if written != len(lines):
            os.ftruncate(self.descriptor, self.size)
            raise StoreError(
                f"{self.path} takes no more: {reason}; free some space, then go on with"
                " 'mlbench resume'"
            )
        self.size += written

    def sync(self) -> None:
        """Make what was written survive a crash of the machine."""
        os.fsync(self.descriptor)
        if not self.named:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self.named = True

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, order=True)
class JournalFile:
    """A journal on disk; sorts by run, then attempt."""

    run_id: str
    attempt: int
    path: Path

    def lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield the whole lines from byte ``start`` on, each with the byte after it.

        A last line without its newline is still being written, and left out.
        """
        with self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                yield start, line

    def first(self) -> Started | None:
        """Return how the attempt started, or ``None`` if that cannot be read."""
        for _, line in self.lines(0):
            try:
                record = from_line(line)
            except ValueError:
                return None
            return record if isinstance(record, Started) else None
        return None

    def last(self) -> Record | None:
        """Return the last whole record, or ``None`` if there is none that can be read."""
        with self.path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            tail, start = b"", end
            while start > 0 and tail.count(b"\n") < 3:
                start = max(0, start - BLOCK)
                file.seek(start)
                tail = file.read(end - start)
        lines = tail[: tail.rfind(b"\n") + 1].splitlines()
        try:
            return from_line(lines[-1]) if lines else None
        except ValueError:
            return None


def list_journals(paths: StorePaths) -> list[JournalFile]:
    """Return the journals of a store, runs in order and each run's attempts in order."""
    try:
        names = [path.name for path in paths.journals.iterdir()]
    except FileNotFoundError:
        return []
    matches = filter(None, map(NAME.fullmatch, names))
    return sorted(
        JournalFile(m["run_id"], int(m["attempt"]), paths.journals / m.string) for m in matches
    )


def attempts_of(paths: StorePaths, run_id: str) -> int:
    """Return the number of a run's last attempt; 0 if it has none."""
    numbers = (journal.attempt for journal in list_journals(paths) if journal.run_id == run_id)
    return max(numbers, default=0)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How a run stands.

    Args:
        attempts: The number of its last attempt.
        started: When its first attempt started; ISO 8601, UTC.
    """

    run_id: str
    spec_hash: str
    status: Status
    attempts: int
    started: str
    error: str | None


def last_status(paths: StorePaths, run_id: str) -> RunState | None:
    """Return how a run stands, from its journals alone; ``None`` if they say nothing."""
    journals = [journal for journal in list_journals(paths) if journal.run_id == run_id]
    return state_of(paths, journals)


def find_in_journals(paths: StorePaths, spec_hash: str) -> RunState | None:
    """Return the run of this spec that started last, from the journals alone."""
    runs: dict[str, list[JournalFile]] = {}
    for journal in list_journals(paths):
        runs.setdefault(journal.run_id, []).append(journal)
    states = (state_of(paths, journals) for journals in runs.values())
    found = [state for state in states if state and state.spec_hash == spec_hash]
    return max(found, key=lambda state: (state.started, state.run_id), default=None)


def state_of(paths: StorePaths, journals: list[JournalFile]) -> RunState | None:
    """Return how the run that wrote these journals stands; they are in order."""
    first = next(filter(None, (journal.first() for journal in journals)), None)
    if first is None:
        return None
    alive = is_alive(paths, first.run_id)  # before the journal is read: a dead run's is complete
    last = journals[-1].last()
    status: Status = "running" if alive else "interrupted"
    error = None
    if isinstance(last, StatusChange):
        status, error = last.status, last.error
    return RunState(
        run_id=first.run_id,
        spec_hash=first.spec_hash,
        status=status,
        attempts=journals[-1].attempt,
        started=first.at,
        error=error,
    )
