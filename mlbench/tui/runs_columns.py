"""The columns of the list of runs: what each shows, how wide, and how it sorts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlbench.report.palette import LOOKS, look
from mlbench.store.snapshot import RunRow
from mlbench.tui import amounts
from mlbench.tui.marks import glyph
from mlbench.tui.status import SYMBOLS

Piece = tuple[str, str]
"""Text, and what it is for its colour: a status, ``faint``, ``#rrggbb``, or nothing."""
BAR = 7
DATA_WIDTHS = (9, 34)
WIDE = 132


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        key: Its name.
        heading: What stands above it.
        width: Characters, without the gap that follows.
        pieces: What it shows of a run at a moment (UTC, without a time zone).
        order: What runs are sorted by; ``None`` comes last, whatever the direction.
        shown: Terminal widths at which it is shown: from, and up to but not including.
        right: Whether it stands at the right.
        descending: Whether it sorts downwards at first.
    """

    key: str
    heading: str
    width: int
    pieces: Callable[[RunRow, datetime], Sequence[Piece]]
    order: Callable[[RunRow], Any]
    shown: tuple[int, int] = (0, 10_000)
    right: bool = False
    descending: bool = False


def technique(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show the point and the name that figures and tables have too."""
    return [
        (f"{glyph(run.algorithm)} ", look(run.algorithm).colour),
        (look(run.algorithm).label, ""),
    ]


def technique_order(run: RunRow) -> Any:
    """Sort techniques as everywhere."""
    places = list(LOOKS)
    known = run.algorithm in LOOKS
    return (places.index(run.algorithm) if known else len(places), run.algorithm)


def data(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show where a run trains, and where else it is tested."""
    return [(data_text(run), "")]


def data_text(run: RunRow) -> str:
    """Return the data sets of a run: ``mini→cub``."""
    others = [name for name in run.eval_datasets if name != run.train_dataset]
    return f"{run.train_dataset}→{','.join(others)}" if others else run.train_dataset


def status(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show the status, in a symbol and a word."""
    quiet = "faint" if run.status == "finished" else run.status
    return [(f"{SYMBOLS[run.status]} ", run.status), (run.status, quiet)]


def progress(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show how far a run is."""
    done, rest = amounts.bar(run.done, BAR)
    return [
        (done, "faint" if run.status == "finished" else run.status),
        (rest, "faint"),
        (f" {amounts.percent(run.done):>5}", ""),
    ]


def progress_or_status(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show how far a run is that goes on, and how others ended, where there is no room for both."""
    return progress(run, _) if run.status == "running" else status(run, _)


def validation(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show the last validation's score."""
    return [(amounts.score(run.validation, run.kind), "")]


def score_or_left(run: RunRow, _: datetime) -> Sequence[Piece]:
    """Show the test score, or until there is one the time that is left."""
    if run.status == "running":
        return [(amounts.duration(run.seconds_left), "faint")]
    return [(amounts.score(run.score, run.kind), "")]


def age(run: RunRow, now: datetime) -> Sequence[Piece]:
    """Show how long ago a run began."""
    return [(amounts.duration((now - run.started).total_seconds()), "faint")]


def scored(value: float | None, run: RunRow) -> Any:
    """Sort scores within the kind of problem: accuracies and errors do not compare."""
    return None if value is None else (run.kind, value)


COLUMNS = (
    Column("technique", "technique", 19, technique, technique_order),
    Column("data", "data", 13, data, data_text),
    Column("shots", "shots", 5, lambda r, _: [(str(r.shots), "")], lambda r: r.shots, right=True),
    Column(
        "seed",
        "seed",
        4,
        lambda r, _: [(str(r.seed), "")],
        lambda r: r.seed,
        shown=(70, 10_000),
        right=True,
    ),
    Column("status", "status", 13, status, lambda r: r.status, shown=(WIDE, 10_000)),
    Column(
        "progress",
        "progress",
        BAR + 6,
        progress_or_status,
        lambda r: r.done,
        shown=(0, WIDE),
        descending=True,
    ),
    Column(
        "share",
        "progress",
        BAR + 6,
        progress,
        lambda r: r.done,
        shown=(WIDE, 10_000),
        descending=True,
    ),
    Column(
        "rate",
        "tasks/s",
        8,
        lambda r, _: [(amounts.rate(r.tasks_per_second), "")],
        lambda r: r.tasks_per_second,
        shown=(96, 10_000),
        right=True,
        descending=True,
    ),
    Column(
        "left",
        "ETA",
        6,
        lambda r, _: [(amounts.duration(r.seconds_left), "")],
        lambda r: r.seconds_left,
        shown=(96, 10_000),
        right=True,
    ),
    Column(
        "validation",
        "valid.",
        8,
        validation,
        lambda r: scored(r.validation, r),
        shown=(0, WIDE),
        right=True,
        descending=True,
    ),
    Column(
        "last_validation",
        "validation",
        11,
        validation,
        lambda r: scored(r.validation, r),
        shown=(WIDE, 10_000),
        right=True,
        descending=True,
    ),
    Column(
        "test",
        "test",
        8,
        lambda r, _: [(amounts.score(r.score, r.kind), "")],
        lambda r: scored(r.score, r),
        shown=(96, 10_000),
        right=True,
        descending=True,
    ),
    Column(
        "test_or_left",
        "test/ETA",
        8,
        score_or_left,
        lambda r: scored(r.score, r),
        shown=(78, 96),
        right=True,
        descending=True,
    ),
    Column(
        "started",
        "started",
        8,
        age,
        lambda r: (r.started, r.run_id),
        shown=(106, 10_000),
        right=True,
        descending=True,
    ),
    Column("run", "run", 36, lambda r, _: [(r.run_id, "faint")], lambda r: r.run_id, (150, 10_000)),
)
TWINS = {"test_or_left": "test", "share": "progress", "last_validation": "validation"}
"""Columns that sort by the same as another, which is shown at other widths."""
NEWEST = ("started", True)
"""The order at first: by this column, downwards."""


def fitting(columns: Iterable[Column], width: int) -> list[Column]:
    """Return the columns that a terminal of some width has room for."""
    return [column for column in columns if column.shown[0] <= width < column.shown[1]]


def column(key: str) -> Column:
    """Return a column by its name."""
    return next(column for column in COLUMNS if column.key == key)


def arranged(runs: Sequence[RunRow], key: str, descending: bool) -> list[RunRow]:
    """Return runs in order; those that have no value for it come last."""
    order = column(key).order
    known = [run for run in runs if order(run) is not None]
    unknown = [run for run in runs if order(run) is None]
    return sorted(known, key=order, reverse=descending) + unknown


def matching(runs: Sequence[RunRow], text: str) -> list[RunRow]:
    """Return the runs in which all words of a text are found, in either case."""
    words = text.casefold().split()
    if not words:
        return list(runs)
    return [run for run in runs if all(word in haystack(run) for word in words)]


def haystack(run: RunRow) -> str:
    """Return what a filter looks through."""
    parts = (
        run.algorithm,
        look(run.algorithm).label,
        data_text(run),
        run.status,
        run.run_id,
        run.protocol,
        run.budget,
        "" if run.ways is None else f"{run.ways}-way",
        f"{run.shots}-shot",
        f"seed={run.seed}",
        run.host,
    )
    return " ".join(parts).casefold()
