"""The tables over runs: one for what may be compared, with what it was made under on top."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.report.frames import aligned
from mlbench.stats.names import Statistic
from mlbench.stats.summary import SETTING
from mlbench.store.records import CONCLUSIVE

FEW = 5  # runs: a bootstrap of their median at 95 % reaches from the lowest to the highest
MEASURE = {"classification": "accuracy", "regression": "MSE"}
HEADINGS: dict[Statistic, str] = {
    "median": "median {measure}",
    "mean": "mean {measure}",
    "trimmed": "trimmed mean of medians, {measure}",
}


def summary_tables(summary: pl.DataFrame) -> str:
    """Return the tables of a summary, one for each protocol, budget and the like.

    Args:
        summary: From :func:`mlbench.stats.summary.summarise`.
    """
    parts = summary.partition_by(SETTING, maintain_order=True)
    notes: list[str] = []
    tables = [one_table(part, notes) for part in parts]
    bootstrapped = summary.filter(pl.col("low").is_not_null(), statistic="median")
    if (bootstrapped["runs"] <= FEW).any():
        tables.append(f"The interval of {FEW} runs or fewer is their whole range.")
    if notes:
        tables.append("\n".join(f"[{number}] {note}" for number, note in enumerate(notes, 1)))
    return "\n\n".join(tables)


def one_table(part: pl.DataFrame, notes: list[str]) -> str:
    """Return one table under its heading; footnotes are added to ``notes``."""
    rows = list(part.iter_rows(named=True))
    kind = rows[0]["kind"]
    statistic = HEADINGS[rows[0]["statistic"]].format(measure=MEASURE[kind])
    columns: list[tuple[str, bool, list[str]]] = [
        ("technique", False, [row["algorithm"] for row in rows]),
        ("settings", False, [row["settings"] for row in rows]),
        ("train -> eval", False, [f"{r['train_dataset']} -> {r['eval_dataset']}" for r in rows]),
        ("ways", True, ["" if row["ways"] is None else str(row["ways"]) for row in rows]),
        ("shots", True, [str(row["shots"]) for row in rows]),
        ("runs", True, [str(row["runs"]) for row in rows]),
        (statistic, True, [number(row["score"], kind) for row in rows]),
        ("95 % interval", False, [interval(row) for row in rows]),
        ("", False, [marks(row, notes) for row in rows]),
    ]
    shown = [(name, right, cells) for name, right, cells in columns if any(cells)]
    lines = aligned([[name, *cells] for name, _, cells in shown], [right for _, right, _ in shown])
    return "\n".join([heading(rows[0]), *lines])


def heading(row: dict[str, Any]) -> str:
    """Return what all rows of a table share."""
    preset, _, departures = row["protocol"].partition(", ")
    protocol = f"{preset} protocol" + (f" with {departures}" if departures else "")
    return (
        f"{protocol}, {row['budget']} budget: {row['train_tasks']} training tasks,"
        f" {row['validation_tasks']} validation tasks every {row['validate_every']},"
        f" {row['test_tasks']} test tasks; {row['queries']} queries, {row['precision']}"
    )


def interval(row: dict[str, Any]) -> str:
    """Return the interval of a row, or a dash for one that has none."""
    if row["low"] is None:
        return "-"
    return f"{number(row['low'], row['kind'])} to {number(row['high'], row['kind'])}"


def number(value: float | None, kind: str) -> str:
    """Return an accuracy to three places, an error to four digits, a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.3f}" if kind == "classification" else f"{value:.4g}"


def marks(row: dict[str, Any], notes: list[str]) -> str:
    """Return the numbers of a row's footnotes."""
    found = []
    if row["diverged"]:
        found.append(divergence(row))
    if row["trimmed"]:
        found.append(
            f"{row['trimmed']} of {row['runs']} runs dropped: beyond 1.5 interquartile ranges, or"
            " not finite"
        )
    if row["incomplete"]:
        found.append(f"{row['incomplete']}; not comparable with published numbers")
    if row["nan_episodes"]:
        found.append(f"{row['nan_episodes']} test episodes are not finite")
    for note in found:
        if note not in notes:
            notes.append(note)
    return "".join(f"[{notes.index(note) + 1}]" for note in found)


def divergence(row: dict[str, Any]) -> str:
    """Return how many runs of a row diverged, and how many of those left nothing to test."""
    text = f"{row['diverged']} of {row['runs'] + row['untested']} runs diverged"
    return f"{text}, {row['untested']} with nothing to test" if row["untested"] else text


def left_out(runs: pl.DataFrame, results: pl.DataFrame, counted: pl.DataFrame) -> str:
    """Return which runs a table does not count, in one line; empty if it counts all.

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
