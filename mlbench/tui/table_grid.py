"""A table of results in the cells of a terminal: a row on one line where that fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from mlbench.report.tables.model import Cell, Column, Row, Table
from mlbench.store.records import Kind
from mlbench.tui.filling import widest
from mlbench.tui.marks import named, superscript

BEST = "★"
TIED = "≈"
NAME_WIDTH = 26  # of a technique with its settings, where width is scarce
PADDING = 2  # cells around every column of a DataTable


@dataclass(frozen=True)
class Grid:
    """What a DataTable shows of a table.

    Args:
        headings: Of the columns, that of the techniques first.
        rows: A cell per heading.
        heading_height: Lines of the headings.
        row_height: Lines of every row.
    """

    headings: list[Text]
    rows: list[list[Text]]
    heading_height: int
    row_height: int

    @property
    def width(self) -> int:
        """Return how wide it is on the screen."""
        columns = zip(self.headings, *self.rows, strict=True)
        return sum(max(widest(cell) for cell in column) + PADDING for column in columns)


def grid(table: Table, *, width: int, paper: bool) -> Grid:
    """Return a table so that it fits into a width if it can.

    Args:
        table: What to show.
        width: Of the terminal.
        paper: Whether the printed numbers and the differences stand beside.
    """
    wide = laid_out(table, paper=paper, stacked=False)
    return wide if wide.width <= width else laid_out(table, paper=paper, stacked=True)


def laid_out(table: Table, *, paper: bool, stacked: bool) -> Grid:
    """Return a table with the parts of a cell beside or, ``stacked``, below one another."""
    paper = paper and table.compared
    columns = [
        column_of([row.cells[place] for row in table.rows], table.kind, paper, stacked)
        for place in range(len(table.columns))
    ]
    names = [row_name(row, stacked) for row in table.rows]
    same_ways = len({column.ways for column in table.columns}) == 1
    headings = [heading(column, show_ways=not same_ways) for column in table.columns]
    return Grid(
        [Text("technique", style="bold"), *headings],
        [list(row) for row in zip(names, *columns, strict=True)],
        2,
        2 + paper if stacked else 1,
    )


def heading(column: Column, *, show_ways: bool) -> Text:
    """Return the data sets of a column above its shots."""
    datasets = column.domain.replace("->", "→")
    ways = f"{column.ways}-way " if show_ways and column.ways else ""
    return Text.assemble((datasets, "bold"), "\n", (f"{ways}{column.shots}-shot", "not bold"))


def row_name(row: Row, stacked: bool) -> Text:
    """Return a technique, with its settings where rows would else look the same."""
    name = named(row.algorithm)
    if row.settings:
        name.append("\n  " if stacked else "  ").append(row.settings, "dim")
    if stacked:
        lines = name.split("\n", allow_blank=True)
        for line in lines:
            line.truncate(NAME_WIDTH, overflow="ellipsis")
        name = Text("\n").join(lines)
    return name


def column_of(cells: Sequence[Cell | None], kind: Kind, paper: bool, stacked: bool) -> list[Text]:
    """Return the cells of a column, their numbers below one another."""
    scores = [score_text(cell, kind) for cell in cells]
    room = max(map(len, scores), default=0)
    marks = [marks_text(cell) for cell in cells]
    mark_room = max(map(len, marks), default=0)
    texts = []
    for cell, score, mark in zip(cells, scores, marks, strict=True):
        best = "bold" if cell and cell.best else ""
        parts = [Text(f"{score:>{room}}{mark:<{mark_room}}", best)]
        if cell is not None:
            parts.append(Text(range_text(cell, kind), "dim"))
        if paper:
            parts.append(printed_text(cell, kind))
        texts.append(Text("\n" if stacked else "  ").join(parts))
    return texts


def score_text(cell: Cell | None, kind: Kind) -> str:
    """Return the number of a cell: nothing where there was no run, a dash where none was tested."""
    return "" if cell is None else number(cell.score, kind)


def marks_text(cell: Cell | None) -> str:
    """Return the signs after a number: best, tied with it, footnotes."""
    if cell is None:
        return ""
    sign = f" {BEST}" if cell.best else f" {TIED}" if cell.tied else ""
    return sign + "".join(superscript(note) for note in cell.notes)


def range_text(cell: Cell, kind: Kind) -> str:
    """Return the interval of a cell, or why it has none."""
    if cell.low is None or cell.high is None:
        return f"{cell.runs} run{'s' * (cell.runs != 1)}"
    return f"{number(cell.low, kind)}–{number(cell.high, kind)}"


def printed_text(cell: Cell | None, kind: Kind) -> Text:
    """Return the paper's number and by how much that of the runs exceeds it."""
    if cell is None or cell.printed is None:
        return Text()
    printed = Text(f"{cell.printed.score:.2f}", "bold italic" if cell.printed.best else "italic")
    if cell.difference is not None:
        printed.append(f" {signed(cell.difference, kind)}", "not bold italic")
    return printed


def number(value: float | None, kind: Kind) -> str:
    """Return an accuracy to three places, an error to four digits, a dash for nothing.

    As tables elsewhere have it, but for an error's last zeros: here numbers stand below numbers.
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞"
    return f"{value:.3f}" if kind == "classification" else f"{value:#.4g}".rstrip(".")


def signed(value: float, kind: Kind) -> str:
    """Return a difference with its sign."""
    size = number(abs(value), kind)
    sign = "±" if not size.strip("0.") else "−" if value < 0 else "+"
    return f"{sign}{size}"
