"""What tables say in words and figures, the same in every form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from mlbench.report.tables.model import Cell, Table
from mlbench.stats.caveats import caveat, stacking
from mlbench.stats.names import PHRASES, Statistic
from mlbench.store.records import CONCLUSIVE, Kind

MEASURE: dict[Kind, str] = {"classification": "Accuracy", "regression": "Mean squared error"}
MISSING = "-"


def number(value: float | None, kind: Kind) -> str:
    """Return an accuracy to three places, an error to four digits, a dash for nothing."""
    if value is None:
        return MISSING
    return f"{value:.3f}" if kind == "classification" else f"{value:#.4g}".rstrip(".")


def duration(seconds: float | None) -> str:
    """Return a time with its unit, to three digits or so."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:,.3g} h" if seconds < 1000 * 3600 else f"{seconds / 3600:,.0f} h"


def interval(cell: Cell, kind: Kind) -> str:
    """Return the 95 % interval of a cell in brackets; empty if it has none."""
    if cell.low is None or cell.high is None:
        return ""
    return f"[{number(cell.low, kind)}, {number(cell.high, kind)}]"


def printed(cell: Cell) -> str:
    """Return what the paper prints for a cell; empty if it prints nothing."""
    return "" if cell.printed is None else f"{cell.printed.score:.2f}"


def signed(difference: float | None) -> str:
    """Return a difference to three places with its sign; empty for none."""
    if difference is None:
        return ""
    text = f"{difference:+.3f}"
    return "0.000" if float(text) == 0 else text


def measured(table: Table) -> str:
    """Return what the numbers of a table are, and over how many runs."""
    fewest, most = table.runs
    count = f"{most} run{'s' * (most != 1)}" if fewest == most else f"{fewest} to {most} runs"
    return f"{MEASURE[table.kind]}, {PHRASES[table.statistic]}; {count} a cell"


def emphases(table: Table, *, best: str, tied: str) -> str:
    """Return what marks mean, in one line; empty if a table has none.

    Args:
        table: Of which those marks are told that it has.
        best: What the mark of the best is called.
        tied: What that of ties is called.
    """
    cells = [cell for row in table.rows for cell in row.cells if cell]
    told = [(best, "best of its column")] * any(cell.best for cell in cells)
    told += [(tied, "tied, its interval overlaps that of the best")] * any(
        cell.tied for cell in cells
    )
    return "; ".join(f"{mark}: {meaning}" for mark, meaning in told) + "." * bool(told)


def conditions(rows: pl.DataFrame) -> str:
    """Return in one line what the runs of a table share.

    Args:
        rows: Those of a summary. Of what :data:`mlbench.stats.summary.SETTING` names they differ
            in no more than ``train_tasks``, and in that from shots to shots.
    """
    row = rows.row(0, named=True)
    preset, _, departures = row["protocol"].partition(", ")
    protocol = f"{preset} protocol" + (f" with {departures}" if departures else "")
    train = rows.select("shots", "train_tasks").unique().sort("shots")
    trained = str(row["train_tasks"])
    if train["train_tasks"].n_unique() > 1:
        trained = " or ".join(f"{tasks} ({shots}-shot)" for shots, tasks in train.iter_rows())
    ways = f"{row['ways']}-way " if row["ways"] and rows["ways"].n_unique() == 1 else ""
    return (
        f"{ways}{row['kind']}, {protocol}, {row['budget']} budget: {trained} training tasks,"
        f" {row['validation_tasks']} validation tasks every {row['validate_every']},"
        f" {row['test_tasks']} test tasks; {row['queries']} queries, {row['precision']}"
    )


def footnotes(row: Mapping[str, Any]) -> list[str]:
    """Return what is to be known of one row of a summary, a sentence each."""
    found = []
    if row["diverged"]:
        found.append(divergence(row))
    if row["trimmed"]:
        found.append(
            f"{row['trimmed']} of {row['runs']} runs dropped: beyond 1.5 interquartile ranges, or"
            " not finite."
        )
    if row["incomplete"]:
        found.append(f"{row['incomplete']}; not comparable with published numbers.")
    if row["nan_episodes"]:
        found.append(f"{row['nan_episodes']} test episodes are not finite.")
    if told := stacking(row["stacked_runs"], row["runs"], row["precision"]):
        found.append(f"{told}.")
    return found


def stack(width: int | None) -> str:
    """Return how many runs one program computed; empty for one alone, or where it is not told."""
    return f"{width} runs stacked" if width is not None and width > 1 else ""


def divergence(row: Mapping[str, Any]) -> str:
    """Return how many runs of a row diverged, and how many of those left nothing to test."""
    text = f"{row['diverged']} of {row['runs'] + row['untested']} runs diverged"
    return f"{text}, {row['untested']} with nothing to test." if row["untested"] else f"{text}."


def few(runs: Iterable[int], statistic: Statistic, unit: str = "run") -> str:
    """Return how far so few runs carry, a sentence for each number of them; often empty.

    Args:
        runs: How many there are in each cell.
        statistic: What is said of them.
        unit: What there are so many of, if not runs.
    """
    told = [caveat(statistic, count, unit) for count in sorted(set(runs))]
    return " ".join(f"{each}." for each in told if each)


def left_out(runs: pl.DataFrame, results: pl.DataFrame, counted: pl.DataFrame) -> str:
    """Return which runs no table counts, in one line; empty if they count all.

    Args:
        runs: All runs, with ``status``.
        results: Of runs that finished or diverged.
        counted: Those of them that count.
    """
    concluded = pl.col("status").is_in(CONCLUSIVE)
    statuses = runs.filter(~concluded)["status"].value_counts().sort("status")
    parts = [f"{count} {status}" for status, count in statuses.iter_rows()]
    repeated = results["run_id"].n_unique() - counted["run_id"].n_unique()
    if repeated:
        parts.append(f"{repeated} run again later")
    return f"Runs not counted: {', '.join(parts)}." if parts else ""
