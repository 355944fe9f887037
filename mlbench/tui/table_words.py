"""What the screen says of a table, and of the cell under the cursor."""

from __future__ import annotations

import math

from rich.text import Text

from mlbench.report.palette import look
from mlbench.report.tables.model import Cell, Table
from mlbench.report.tables.words import measured
from mlbench.tui.marks import superscript
from mlbench.tui.table_grid import BEST, TIED, heading, number, signed


def conditions(table: Table) -> Text:
    """Return what the numbers of a table are, and what all of its runs share."""
    return Text(f"{measured(table)}\n{table.conditions}")


def remarks(table: Table, *, paper: bool) -> Text:
    """Return what the signs of a table mean, its footnotes and its remarks."""
    cells = [cell for row in table.rows for cell in row.cells if cell is not None]
    signs = []
    if any(cell.best for cell in cells):
        signs.append(f"{BEST} best of its column")
    if any(cell.tied for cell in cells):
        signs.append(f"{TIED} its interval overlaps that of the best")
    if paper and any(cell.printed for cell in cells):
        signs.append("italic: printed in the paper, and the difference to it")
    notes = [f"{superscript(place)} {note}" for place, note in enumerate(table.notes, 1)]
    return Text("\n".join(filter(None, ["; ".join(signs), *table.remarks, *notes])))


def cell_place(table: Table, row: int, column: int) -> str:
    """Return which technique a cell is of, and on what."""
    line, place = table.rows[row], table.columns[column]
    where = " ".join(heading(place, show_ways=True).plain.split())
    settings = f" ({line.settings})" if line.settings else ""
    return f"{look(line.algorithm).label}{settings}, {where}"


def cell_sentence(table: Table, row: int, column: int) -> Text:
    """Return what a cell says, in words."""
    cell = table.rows[row].cells[column]
    place = cell_place(table, row, column)
    return Text.assemble((f"{place}: ", "dim"), "no run" if cell is None else said(cell, table))


def said(cell: Cell, table: Table) -> str:
    """Return the number of a cell with what it rests on."""
    kind = table.kind
    runs = f"{cell.runs} run{'s' * (cell.runs != 1)}"
    if cell.score is None:
        return f"{runs} tested, no number"
    if not math.isfinite(cell.score):
        text = f"{number(cell.score, kind)} of {runs}: a score is not finite"
    elif cell.low is None or cell.high is None:
        text = f"{number(cell.score, kind)} of {runs}, too few for an interval"
    else:
        ends = f"{number(cell.low, kind)} to {number(cell.high, kind)}"
        text = f"{number(cell.score, kind)}, {ends}, of {runs}"
    if cell.printed is not None and cell.difference is not None:
        printed = f"{cell.printed.score:.2f} ± {cell.printed.half_width:.2f}"
        text += f"; the paper {printed} ({signed(cell.difference, kind)})"
    return text
