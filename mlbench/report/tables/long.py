"""Tables with a row for what is pooled, under what it was made with: nothing is left out."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.printable import printable
from mlbench.report.frames import aligned
from mlbench.report.tables.words import (
    MEASURE,
    conditions,
    few,
    footnotes,
    number,
    signed,
)
from mlbench.stats.names import PHRASES
from mlbench.stats.summary import SETTING


def long_text(summary: pl.DataFrame) -> str:
    """Return the tables of a summary, one for each protocol, budget and the like.

    Args:
        summary: From :func:`mlbench.stats.summary.summarise`, or
            :func:`mlbench.report.tables.tidy.with_printed` of that.
    """
    notes: list[str] = []
    parts = summary.partition_by(SETTING, maintain_order=True)
    tables = [one_table(part, notes) for part in parts]
    if notes:
        tables.append(
            "\n".join(f"({place}) {printable(note)}" for place, note in enumerate(notes, 1))
        )
    return "\n\n".join(tables)


def one_table(part: pl.DataFrame, notes: list[str]) -> str:
    """Return one table under its heading; footnotes are added to ``notes``."""
    rows = list(part.iter_rows(named=True))
    kind, statistic = rows[0]["kind"], rows[0]["statistic"]
    columns: list[tuple[str, bool, list[str]]] = [
        ("technique", False, [row["algorithm"] for row in rows]),
        ("settings", False, [row["settings"] for row in rows]),
        ("train -> eval", False, [f"{r['train_dataset']} -> {r['eval_dataset']}" for r in rows]),
        ("ways", True, ["" if row["ways"] is None else str(row["ways"]) for row in rows]),
        ("shots", True, [str(row["shots"]) for row in rows]),
        ("runs", True, [str(row["runs"]) for row in rows]),
        ("score", True, [number(row["score"], kind) for row in rows]),
        ("95 % interval", False, [interval(row) for row in rows]),
        ("", False, [marks(row, notes) for row in rows]),
        ("paper", True, [paper(row) for row in rows]),
        ("difference", True, [signed(row.get("difference")) for row in rows]),
    ]
    shown = [(name, right, cells) for name, right, cells in columns if any(cells)]
    lines = aligned(
        [[name, *map(printable, cells)] for name, _, cells in shown],
        [right for _, right, _ in shown],
    )
    heading = [f"{printable(conditions(part))}.", f"{MEASURE[kind]}, {PHRASES[statistic]}."]
    told = few([row["runs"] for row in rows], statistic)
    return "\n".join([*heading, "", *lines, *(["", told] if told else [])])


def interval(row: dict[str, Any]) -> str:
    """Return the interval of a row, or a dash for one that has none."""
    if row["low"] is None:
        return number(None, row["kind"])
    return f"{number(row['low'], row['kind'])} to {number(row['high'], row['kind'])}"


def paper(row: dict[str, Any]) -> str:
    """Return what the paper prints for a row; empty if it prints nothing or was not asked."""
    return "" if row.get("printed") is None else f"{row['printed']:.2f}"


def marks(row: dict[str, Any], notes: list[str]) -> str:
    """Return the numbers of a row's footnotes."""
    own = footnotes(row)
    notes.extend(note for note in own if note not in notes)
    return "".join(f"({notes.index(note) + 1})" for note in own)
