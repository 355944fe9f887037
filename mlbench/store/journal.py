"""The journal of a run: an append-only file that one process writes and anybody reads."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from mlbench.errors import StoreError
from mlbench.store.lines import from_line, to_line
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record, Started

NAME = re.compile(r"(?P<run_id>.+)\.(?P<attempt>[1-9][0-9]{0,8})(\.pruned)?\.jsonl")
BLOCK = 1 << 16


class Journal:
    """Appends records to the journal of one attempt; whole lines or nothing.

    A single ``write`` on a descriptor opened with ``O_APPEND`` takes a few microseconds and
    survives the death of the process; :meth:`sync` makes it survive the machine's.
    """

    def __init__(self, path: Path, descriptor: int, resume: str, size: int = 0) -> None:
        self.path = path
        self.descriptor = descriptor
        self.resume = resume  # the command that goes on with this run
        self.size = size
        self.torn = False  # whether part of a line lies beyond ``size``
        self.named = False  # whether the folder's entry has reached the disk

    @classmethod
    def open(cls, paths: StorePaths, run_id: str, attempt: int) -> Self:
        """Create the journal of an attempt.

        Raises:
            StoreError: It exists already, or cannot be made.
        """
        paths.make(paths.journals)
        path = paths.journal(run_id, attempt)
        resume = resume_command(paths, run_id)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return cls(path, os.open(path, flags, 0o666), resume)
        except OSError as err:
            raise StoreError(
                f"{path} cannot be made: {err.strerror}; '{resume}' starts another attempt"
            ) from err

    @classmethod
    def reopen(cls, paths: StorePaths, run_id: str, attempt: int) -> Self:
        """Open the journal of an attempt that is over, to add to it.

        The caller holds the run's lock, so that a last line without its newline is one that a
        kill cut short: nobody is still writing it, and it is removed.

        Raises:
            StoreError: There is no such journal, not even its first line was written, or it
                cannot be written to.
        """
        path = paths.journal(run_id, attempt)
        resume = resume_command(paths, run_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as err:
            raise StoreError(
                f"{path} cannot be opened: {err.strerror}; bring it back or unlock it, then go on"
                f" with '{resume}'"
            ) from err
        journal = cls(path, descriptor, resume)
        try:
            journal.find_end()
            journal.mend()
        except BaseException:
            journal.close()
            raise
        return journal

    def find_end(self) -> None:
        """Find the end of the last whole line, and whether a torn one follows.

        Raises:
            StoreError: There is no whole line, or the file cannot be read.
        """
        try:
            self.size = end_of_lines(self.descriptor)
            self.torn = os.fstat(self.descriptor).st_size > self.size
        except OSError as err:
            raise StoreError(
                f"{self.path} cannot be read: {err.strerror}; check that disk, then go on with"
                f" '{self.resume}'"
            ) from err
        if not self.size:
            raise StoreError(f"{self.path} has no whole line to add to; '{self.resume}' goes on")

    def append(self, records: Iterable[Record]) -> None:
        """Write records, in one go.

        Raises:
            StoreError: They do not fit on the disk; the journal is then as it was before, or
                is brought back to that before anything else is written.
        """
        lines = b"".join(map(to_line, records))
        self.mend()
        try:
            written = os.write(self.descriptor, lines)
            reason = "the disk or the quota is full"
        except OSError as err:
            written, reason = 0, err.strerror or str(err)
        if written != len(lines):
            self.torn = written > 0
            self.mend()
            raise StoreError(
                f"{self.path} takes no more: {reason}; free some space, then go on with"
                f" '{self.resume}'"
            )
        self.size += written

    def mend(self) -> None:
        """Remove what there is of a torn line; harmless when there is none.

        Raises:
            StoreError: The file cannot be cut.
        """
        if not self.torn:
            return
        try:
            os.ftruncate(self.descriptor, self.size)
        except OSError as err:
            raise StoreError(
                f"{self.path} ends in a torn line that cannot be removed: {err.strerror}; free"
                f" some space and check that disk, then go on with '{self.resume}'"
            ) from err
        self.torn = False

    def sync(self) -> None:
        """Make what was written survive a crash of the machine.

        Raises:
            StoreError: The disk does not take it.
        """
        try:
            os.fsync(self.descriptor)
            if not self.named:
                folder = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
                self.named = True
        except OSError as err:
            raise StoreError(
                f"{self.path} cannot be brought to the disk: {err.strerror}; free some space and"
                f" check that disk, then go on with '{self.resume}'"
            ) from err

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


@dataclass(frozen=True)
class JournalFile:
    """A journal on disk, which may be gone by the time that it is read: pruned, or deleted."""

    run_id: str
    attempt: int
    path: Path

    @property
    def pruned(self) -> bool:
        """Return whether training episodes were taken out of it."""
        return self.path.name.endswith(".pruned.jsonl")

    def size(self) -> int | None:
        """Return how many bytes it has; ``None`` if it is gone."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return None

    def current(self) -> JournalFile:
        """Return this journal, or the pruned one that has taken its place since it was listed."""
        if self.pruned or self.path.exists():
            return self
        return replace(self, path=self.path.with_suffix(".pruned.jsonl"))

    def lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield the whole lines from byte ``start`` on, each with the byte after it.

        A last line without its newline is still being written, and left out.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                yield start, line

    def first(self) -> Started | None:
        """Return how the attempt started, or ``None`` if that cannot be read."""
        for _, line in self.current().lines(0):
            try:
                record = from_line(line)
            except ValueError:
                return None
            return record if isinstance(record, Started) else None
        return None

    def last(self) -> Record | None:
        """Return the last whole record, or ``None`` if there is none that can be read."""
        try:
            file = self.current().path.open("rb")
        except FileNotFoundError:
            return None
        with file:
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


def resume_command(paths: StorePaths, run_id: str) -> str:
    """Return what to type to go on with a run of this store."""
    return f"mlbench resume {shlex.quote(run_id)}{paths.option}"


def end_of_lines(descriptor: int) -> int:
    """Return where the last whole line of a file ends; 0 if it has none."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def list_journals(paths: StorePaths) -> list[JournalFile]:
    """Return the journals of a store, runs in order and each run's attempts in order."""
    return journals_in(paths.journals)


def journals_in(folder: Path) -> list[JournalFile]:
    """Return the journals in a folder, in order; none of a folder that does not exist.

    Of an attempt that has a whole journal and a pruned one, which somebody was about to put in
    its place, it is the whole one.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208  of thousands, paths take longer than all else
    except FileNotFoundError:
        return []
    names.sort(key=len, reverse=True)  # a whole journal after a pruned one, to take its place
    matches = filter(None, map(NAME.fullmatch, names))
    found = {(m["run_id"], int(m["attempt"])): m.string for m in matches}
    return [JournalFile(*attempt, folder / found[attempt]) for attempt in sorted(found)]


def journals_by_run(paths: StorePaths) -> dict[str, list[JournalFile]]:
    """Return the journals of every run, in the order of its attempts."""
    runs: dict[str, list[JournalFile]] = {}
    for journal in list_journals(paths):
        runs.setdefault(journal.run_id, []).append(journal)
    return runs


def journals_of(paths: StorePaths, run_id: str) -> list[JournalFile]:
    """Return the journals of one run, in the order of its attempts; empty for an unknown run."""
    return journals_by_run(paths).get(run_id, [])


def attempts_of(paths: StorePaths, run_id: str) -> int:
    """Return the number of a run's last attempt; 0 if it has none."""
    journals = journals_of(paths, run_id)
    return journals[-1].attempt if journals else 0
