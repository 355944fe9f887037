"""Tables as text for a terminal: as wide as it is, or in several blocks below each other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

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

GAP = "  "
NARROWEST = 24  # characters for the names of techniques, before the lines grow too long instead
BOLD = "\033[1m{}\033[0m"


@dataclass(frozen=True)
class Strip:
    """A column as text.

    Args:
        column: What it is about.
        lines: Its heading, then a line per row, all of one width.
        width: That width, as it is seen.
    """

    column: Column
    lines: tuple[str, ...]
    width: int


def text(tables: Sequence[Table], *, width: int = 80, bold: bool = False) -> str:
    """Return tables as text.

    Args:
        tables: In order.
        width: Characters a line; a table that is wider is broken into blocks of columns.
        bold: Whether the best numbers are in bold, for terminals, besides their mark.
    """
    return "\n\n\n".join(one_table(table, width, bold) for table in tables)


def one_table(table: Table, width: int, bold: bool) -> str:
    """Return a table under its heading and above its notes."""
    head = [table.title, f"{table.conditions}.", f"{measured(table)}."]
    strips = [
        strip(column, [row.cells[place] for row in table.rows], table, bold)
        for place, column in enumerate(table.columns)
    ]
    room = max(width - len(GAP) - max(each.width for each in strips), NARROWEST)
    stub = names(table.rows, room)
    parts = ["\n".join(filled(head, width))]
    parts += ["\n".join(block(chosen, stub)) for chosen in blocks(strips, stub, width)]
    foot = [emphases(table, best="*", tied="~"), *numbered(table.notes), *table.remarks]
    if any(foot):
        parts.append("\n".join(filled(foot, width)))
    return "\n\n".join(parts)


def strip(column: Column, cells: Sequence[Cell | None], table: Table, bold: bool) -> Strip:
    """Return the cells of one column, aligned, with what the paper prints if it was asked for."""
    kind = table.kind
    scores = [number(cell.score, kind) if cell else "" for cell in cells]
    size = max(map(len, scores))
    ours = [
        f"{score:>{size}} {tail(cell, kind)}".rstrip() if cell else ""
        for score, cell in zip(scores, cells, strict=True)
    ]
    columns = [([f"{column.shots}-shot", *ours], False)]
    if table.compared:
        columns.append((["paper", *(printed(cell) if cell else "" for cell in cells)], True))
        columns.append(
            (["diff", *(signed(cell.difference) if cell else "" for cell in cells)], True)
        )
    widths = [max(map(len, texts)) for texts, _ in columns]
    lines = []
    for row in zip(*(texts for texts, _ in columns), strict=True):
        parts = [
            f"{part:>{wide}}" if right else f"{part:<{wide}}"
            for part, wide, (_, right) in zip(row, widths, columns, strict=True)
        ]
        lines.append(GAP.join(parts))
    total = len(lines[0])
    if bold:
        lines[1:] = [
            line.replace(score, BOLD.format(score), 1) if cell and cell.best else line
            for line, score, cell in zip(lines[1:], scores, cells, strict=True)
        ]
    return Strip(column, tuple(lines), total)


def tail(cell: Cell, kind: Kind) -> str:
    """Return what follows a score: its interval, its mark, the numbers of its notes."""
    mark = "*" if cell.best else "~" if cell.tied else ""
    notes = "".join(f"({note})" for note in cell.notes)
    return f"{interval(cell, kind)}{mark} {notes}".strip()


def names(rows: Sequence[Row], room: int) -> list[list[str]]:
    """Return what each row is called, in lines no longer than there is room for."""
    texts = [printable(f"{look(row.algorithm).label} {row.settings}".strip()) for row in rows]
    return [
        textwrap.wrap(each, room, subsequent_indent="  ", break_long_words=False) for each in texts
    ]


def blocks(strips: Sequence[Strip], stub: Sequence[Sequence[str]], width: int) -> list[list[Strip]]:
    """Return columns in blocks that fit; those of one pair of data sets stay together."""
    room = width - max(len(line) for lines in stub for line in ["technique", *lines])
    found: list[list[Strip]] = [[]]
    for _, members in groupby(strips, key=lambda each: each.column.domain):
        group = list(members)
        if found[-1] and extent([*found[-1], *group]) > room and extent(group) <= room:
            found.append([])
        for each in group:
            if found[-1] and extent([*found[-1], each]) > room:
                found.append([])
            found[-1].append(each)
    return found


def extent(strips: Sequence[Strip]) -> int:
    """Return how wide columns are beside each other, with a gap before each."""
    return sum(len(GAP) + each.width for each in strips)


def block(strips: Sequence[Strip], stub: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a block: data sets, shots, a rule, a row per technique."""
    first = max(len(line) for lines in stub for line in ["technique", *lines])
    spans = []
    for domain, members in groupby(strips, key=lambda each: each.column.domain):
        wide = extent(list(members)) - len(GAP)
        spans.append(f"{printable(domain):<{wide}}")
    top = [" " * first, *spans]
    heads = [f"{'technique':<{first}}", *(each.lines[0] for each in strips)]
    rules = ["-" * first, *("-" * each.width for each in strips)]
    lines = [GAP.join(parts).rstrip() for parts in (top, heads, rules)]
    for row, named in enumerate(stub, 1):
        cells = GAP.join(each.lines[row] for each in strips)
        if not cells.strip():
            continue
        lines.append(f"{named[0]:<{first}}{GAP}{cells}".rstrip())
        lines.extend(named[1:])
    return lines


def numbered(notes: Sequence[str]) -> list[str]:
    """Return footnotes with their numbers."""
    return [f"({number}) {note}" for number, note in enumerate(notes, 1)]


def filled(lines: Sequence[str], width: int) -> list[str]:
    """Return lines broken where they are too long."""
    return [part for line in lines for part in textwrap.wrap(printable(line), width)]
