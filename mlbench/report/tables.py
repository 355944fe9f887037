"""The tables of medians: one for what may be compared, with what it was made under on top."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.report.frames import aligned
from mlbench.stats.summary import SETTING

FEW = 5  # runs: a bootstrap of their median at 95 % reaches from the lowest to the highest
MEASURE = {"classification": "accuracy", "regression": "MSE"}


def median_tables(summary: pl.DataFrame) -> str:
    """Return the tables of a summary, one for each protocol, budget and the like.

    Args:
        summary: From :func:`mlbench.stats.summary.summarise`.
    """
    parts = summary.partition_by(SETTING, maintain_order=True)
    notes: list[str] = []
    tables = [one_table(part, notes) for part in parts]
    if any(1 < row["runs"] <= FEW for part in parts for row in part.iter_rows(named=True)):
        tables.append(f"The interval of {FEW} runs or fewer is their whole range.")
    if notes:
        tables.append("\n".join(f"[{number}] {note}" for number, note in enumerate(notes, 1)))
    return "\n\n".join(tables)


def one_table(part: pl.DataFrame, notes: list[str]) -> str:
    """Return one table under its heading; footnotes are added to ``notes``."""
    rows = list(part.iter_rows(named=True))
    kind = rows[0]["kind"]
    columns: list[tuple[str, bool, list[str]]] = [
        ("technique", False, [row["algorithm"] for row in rows]),
        ("settings", False, [row["settings"] for row in rows]),
        ("train -> eval", False, [f"{r['train_dataset']} -> {r['eval_dataset']}" for r in rows]),
        ("ways", True, ["" if row["ways"] is None else str(row["ways"]) for row in rows]),
        ("shots", True, [str(row["shots"]) for row in rows]),
        ("runs", True, [str(row["runs"]) for row in rows]),
        (f"median {MEASURE[kind]}", True, [number(row["score"], kind) for row in rows]),
        ("95 % interval", False, [interval(row) for row in rows]),
        ("", False, [marks(row, notes) for row in rows]),
    ]
    shown = [(name, right, cells) for name, right, cells in columns if any(cells)]
    lines = aligned([[name, *cells] for name, _, cells in shown], [right for _, right, _ in shown])
    return "\n".join([heading(rows[0]), *lines])


def heading(row: dict[str, Any]) -> str:
    """Return what all rows of a table share."""
    return (
        f"{row['protocol']} protocol, {row['budget']} budget: {row['train_tasks']} training tasks,"
        f" {row['validation_tasks']} validation tasks every {row['validate_every']},"
        f" {row['test_tasks']} test tasks; {row['queries']} queries, {row['precision']}"
    )


def interval(row: dict[str, Any]) -> str:
    """Return the interval of a row, or a dash for one that has none."""
    if row["low"] is None:
        return "-"
    return f"{number(row['low'], row['kind'])} to {number(row['high'], row['kind'])}"


def number(value: float, kind: str) -> str:
    """Return an accuracy to three places, an error to four digits."""
    return f"{value:.3f}" if kind == "classification" else f"{value:.4g}"


def marks(row: dict[str, Any], notes: list[str]) -> str:
    """Return the numbers of a row's footnotes."""
    found = []
    if row["incomplete"]:
        found.append(f"{row['incomplete']}; not comparable with published numbers")
    if row["nan_episodes"]:
        found.append(f"{row['nan_episodes']} test episodes are not finite")
    for note in found:
        if note not in notes:
            notes.append(note)
    return "".join(f"[{notes.index(note) + 1}]" for note in found)


def left_out(runs: pl.DataFrame, finished: pl.DataFrame, counted: pl.DataFrame) -> str:
    """Return which runs a table does not count, in one line; empty if it counts all.

    Args:
        runs: All runs, with ``status``.
        finished: Results of finished runs.
        counted: Those of them that count.
    """
    statuses = runs.filter(pl.col("status") != "finished")["status"].value_counts().sort("status")
    parts = [f"{count} {status}" for status, count in statuses.iter_rows()]
    repeated = finished["run_id"].n_unique() - counted["run_id"].n_unique()
    if repeated:
        parts.append(f"{repeated} finished, but run again later")
    return f"Runs not counted: {', '.join(parts)}." if parts else ""
