"""Tables as GitHub's Markdown: the best in bold, ties in italics."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlbench.printable import printable
from mlbench.report.palette import look
from mlbench.report.tables.model import Cell, Column, Row, Table
from mlbench.report.tables.words import (
    emphases,
    interval,
    measured,
    number,
    printed,
    signed,
)
from mlbench.store.records import Kind

SPECIAL = re.compile(r"[\\`*_|<>~\[\]]|&(?=#|\w+;)")


def markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown, each under a heading of the third level."""
    return "\n\n".join(one_table(table) for table in tables)


def one_table(table: Table) -> str:
    """Return a table under its heading and above its notes."""
    head = ["technique", *(part for column in table.columns for part in heads(column, table))]
    rows = [
        [name(row), *(part for cell in row.cells for part in parts(cell, table))]
        for row in table.rows
    ]
    lines = [
        f"### {table.title}",
        "",
        f"{escaped(table.conditions)}.",
        f"{escaped(measured(table))}.",
        "",
        *map(line, [head, [":--"] * len(head), *rows]),
    ]
    notes = [f"<sup>{place}</sup> {escaped(note)}" for place, note in enumerate(table.notes, 1)]
    marks = emphases(table, best="**Bold**", tied="*italics*")
    foot = [*([marks] if marks else []), *notes, *map(escaped, table.remarks)]
    return "\n".join([*lines, *(part for each in foot for part in ("", each))])


def heads(column: Column, table: Table) -> list[str]:
    """Return the headings of a column, and of what the paper prints if it was asked for."""
    ours = f"{escaped(column.domain.replace('->', '→'))}, {column.shots}-shot"
    return [ours, "paper", "difference"] if table.compared else [ours]


def name(row: Row) -> str:
    """Return what a row is called."""
    label = escaped(look(row.algorithm).label)
    return f"{label} {escaped(row.settings)}" if row.settings else label


def parts(cell: Cell | None, table: Table) -> list[str]:
    """Return a cell, and what the paper prints for it if it was asked for."""
    ours = "" if cell is None else ours_of(cell, table.kind)
    if not table.compared:
        return [ours]
    return [ours, *(("", "") if cell is None else (printed(cell), signed(cell.difference)))]


def ours_of(cell: Cell, kind: Kind) -> str:
    """Return a score with its interval and the numbers of its notes."""
    mark = "**" if cell.best else "*" if cell.tied else ""
    notes = ",".join(map(str, cell.notes))
    score = f"{mark}{number(cell.score, kind)}{mark} {interval(cell, kind)}".rstrip()
    return f"{score} <sup>{notes}</sup>" if notes else score


def line(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\g<0>", printable(text))
