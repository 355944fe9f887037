"""Which cells of a column are the best, and which can't be told from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from mlbench.report.tables.model import Cell
from mlbench.store.records import Kind


def ranked(column: Sequence[Cell | None], kind: Kind) -> list[Cell | None]:
    """Return a column's cells, those of the best score marked and those that tie with one.

    A cell that stands alone is not marked, and neither is one whose score is not finite. To tie
    takes two intervals that overlap, if only in a point; a cell without one ties with none.

    Args:
        column: The cells of techniques that may be compared.
        kind: High accuracies are good, and low errors.
    """
    scores = [
        cell.score
        for cell in column
        if cell is not None and cell.score is not None and math.isfinite(cell.score)
    ]
    if len(scores) < 2:
        return list(column)
    best = min(scores) if kind == "regression" else max(scores)
    leaders = [cell for cell in column if cell is not None and cell.score == best]
    return [
        cell
        and replace(
            cell,
            best=cell.score == best,
            tied=cell.score != best and any(overlap(cell, leader) for leader in leaders),
        )
        for cell in column
    ]


def overlap(one: Cell, other: Cell) -> bool:
    """Return whether the intervals of two cells have a point in common."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high
