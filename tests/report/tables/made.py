"""A small table made by hand."""

from __future__ import annotations

from typing import Any

from mlbench.report.tables.model import Cell, Column, Printed, Row, Table

MINI = Column(train_dataset="mini", eval_dataset="mini", ways=5, shots=1)
CUB = Column(train_dataset="mini", eval_dataset="cub", ways=5, shots=5)


def cell(
    score: float | None, low: float | None = None, high: float | None = None, **more: Any
) -> Cell:
    return Cell(score=score, low=low, high=high, **{"runs": 5} | more)


def small(**more: Any) -> Table:
    """Return two techniques × two columns, with one of each thing that a cell can have."""
    rows = (
        Row(
            algorithm="maml",
            settings="",
            cells=(
                cell(0.47, 0.46, 0.48, tied=True, printed=paper(0.47)),
                cell(0.3508, 0.34, 0.36, best=True, notes=(1, 2), printed=paper(0.36)),
            ),
        ),
        Row(
            algorithm="sign_maml",
            settings="inner_lr=0.1",
            cells=(cell(0.4751, 0.465, 0.49, best=True), None),
        ),
    )
    return Table(
        **{
            "title": "In-domain",
            "conditions": "5-way classification, corrected protocol",
            "statistic": "median",
            "kind": "classification",
            "columns": (MINI, CUB),
            "rows": rows,
            "notes": ("One thing.", "100 % & more."),
            "remarks": ("So it is.",),
        }
        | more
    )


def paper(score: float) -> Printed:
    return Printed(score=score, half_width=0.01, best=False)


def unprinted(table: Table) -> Table:
    """Return a table without what the paper prints."""
    from dataclasses import replace

    rows = [
        replace(row, cells=tuple(each and replace(each, printed=None) for each in row.cells))
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))
