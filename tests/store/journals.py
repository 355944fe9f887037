"""Journals for a store to take in, and what it has taken in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlbench.store.connection import read
from mlbench.store.lines import to_line
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record

TABLES = (
    "attempts", "statuses", "episodes", "validations", "phases", "test_scores", "hyperparameters",
    "data", "machines",
)  # fmt: skip


def contents(paths: StorePaths) -> dict[str, list[Any]]:
    """Return all rows of a store, sorted; but not when something was inferred."""
    with read(paths) as connection:
        return {
            table: sorted(map(repr, connection.execute(f"FROM {table}").fetchall()))
            for table in TABLES
        }


def scenario(fake_run: Any) -> list[tuple[str, int, bytes]]:
    """Return the journals of a run that was killed and resumed twice, and of one that was not."""
    first = fake_run("r1")
    lines = [
        first.started(),
        first.validated(0),
        *(first.episodes(i, i + 5) for i in range(0, 40, 5)),
    ]
    second = first.resumed(21)  # between the episodes of a record
    again = [
        second.started(),
        *(second.episodes(i, i + 5) for i in range(20, 30, 5)),
        second.validated(30),
    ]
    third = second.resumed(26)
    last: list[Record] = [
        third.started(),
        third.episodes(25, 50),
        third.phase("train", 1.0),
        third.status(),
    ]
    other = fake_run("r2")
    return [
        (run.run_id, run.attempt, b"".join(map(to_line, records)))
        for run, records in (
            (first, lines),
            (second, again),
            (third, last),
            (other, other.whole(seed=1)),
        )
    ]


def append(paths: StorePaths, run_id: str, attempt: int, text: bytes) -> None:
    paths.make(paths.journals)
    with paths.journal(run_id, attempt).open("ab") as file:
        file.write(text)


def long_run(paths: StorePaths, fake_run: Any, run_id: str, episodes: int) -> None:
    run = fake_run(run_id)
    parts: Iterable[Record] = (run.episodes(i, i + 25) for i in range(0, episodes, 25))
    run.write(paths, [run.started(), *parts, run.status()])
