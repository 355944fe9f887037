"""What one attempt has elsewhere and not here: the same records in other lines count as here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlbench.store.journal import BLOCK, JournalFile
from mlbench.store.lines import utc
from mlbench.store.portions import following, read_record
from mlbench.store.records import (
    CONCLUSIVE,
    EPISODE_COLUMNS,
    Episodes,
    PhaseTime,
    Record,
    Started,
    StatusChange,
    Validated,
)

TYPES = {"q": np.int64, "Q": np.uint64, "d": np.float64}


class UnreadableError(Exception):
    """A journal cannot be read any further; the message says where, and why."""


def read_lines(journal: JournalFile) -> Iterator[tuple[bytes, Record]]:
    """Yield the lines of a journal with their records, from the first.

    Raises:
        UnreadableError: One is damaged, or there is a gap before it.
    """
    position: int | None = None
    for number, (_, line) in enumerate(journal.lines(0)):
        try:
            record = read_record(journal, line, number)
            position = following(record, position, pruned=journal.pruned)
        except ValueError as err:
            raise UnreadableError(f"{journal.path} is damaged, line {number + 1}: {err}") from err
        yield line, record


def alike(theirs: Path, ours: Path) -> bool:
    """Return whether two journals are the same but for their first lines."""
    with theirs.open("rb") as left, ours.open("rb") as right:
        rests = [os.fstat(file.fileno()).st_size - len(file.readline()) for file in (left, right)]
        if rests[0] != rests[1]:
            return False
        while block := left.read(BLOCK):
            if block != right.read(BLOCK):
                return False
    return True


@dataclass
class Contents:
    """What a journal of ours records, by position.

    Args:
        end: Position of what comes next.
        gaps: Whether positions are missing.
    """

    end: int = 0
    gaps: bool = False
    milestones: dict[int, Validated | PhaseTime] = field(default_factory=dict)
    statuses: list[StatusChange] = field(default_factory=list)
    positions: np.ndarray[Any, Any] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: JournalFile) -> Contents:
        """Read a journal.

        Raises:
            UnreadableError: It is damaged.
        """
        found = cls(gaps=journal.pruned)
        positions: list[np.ndarray[Any, Any]] = [found.positions]
        parts: dict[str, list[np.ndarray[Any, Any]]] = {
            name: [np.empty(0, TYPES[code])] for name, code in EPISODE_COLUMNS.items()
        }
        for _, record in read_lines(journal):
            found.end = following(record, None, pruned=True) or found.end
            match record:
                case Episodes():
                    count = len(record.episode)
                    positions.append(np.arange(record.position, record.position + count))
                    for name, part in parts.items():
                        part.append(np.asarray(getattr(record, name)))
                case Validated() | PhaseTime():
                    found.milestones[record.position] = record
                case StatusChange():
                    found.statuses.append(record)
        found.positions = np.concatenate(positions)
        found.columns = {name: np.concatenate(part) for name, part in parts.items()}
        return found

    def take(self, record: Record) -> Record | None:
        """Return what is to be added of a record of the same attempt, and count it as here.

        Raises:
            ValueError: Something else is here in its place.
        """
        rest = self.lacks(record)
        if rest is not None:
            self.gaps |= rest.position > self.end
            self.end = following(rest, self.end, pruned=True) or self.end
        return rest

    def lacks(self, record: Record) -> Record | None:
        """Return what is not here of a record of the same attempt, ``None`` if all of it is.

        Raises:
            ValueError: Something else is here in its place.
        """
        match record:
            case Started():
                return None
            case StatusChange():
                if any(same(record, status) for status in self.statuses):
                    return None
                early = record.position < self.end or record.status not in CONCLUSIVE
                return record if early else replace(record, position=self.end)
            case Episodes():
                return self.lacking(record)
        if record.position >= self.end:
            return record
        if repr(self.milestones.get(record.position, record)) != repr(record):
            raise ValueError(f"position {record.position} is another here")
        return None

    def lacking(self, record: Episodes) -> Episodes | None:
        """Return the episodes of a record that are not here.

        Raises:
            ValueError: Some of them are others here.
        """
        last = record.position + len(record.episode)
        begin, end = np.searchsorted(self.positions, [record.position, last])
        here = self.positions[begin:end] - record.position
        for name, column in self.columns.items():
            theirs = np.asarray(getattr(record, name), column.dtype)[here]
            if not np.array_equal(theirs, column[begin:end], equal_nan=column.dtype.kind == "f"):
                raise ValueError(f"episodes from position {record.position} are others here")
        if last <= self.end or record.position >= self.end:
            return record if last > self.end else None
        rest = slice(self.end - record.position, None)
        columns: dict[str, Any] = {name: list(getattr(record, name)[rest]) for name in self.columns}
        return replace(record, position=self.end, **columns)


def same(left: StatusChange, right: StatusChange) -> bool:
    """Return whether two words on how an attempt ended are the same, whatever their position."""
    return (
        utc(left.at) == utc(right.at)
        and replace(left, at=right.at, position=right.position) == right
    )
