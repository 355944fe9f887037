"""How verbs print rows: aligned text for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import click

from mlbench.printable import printable, printable_json

F = TypeVar("F", bound=Callable[..., Any])
Form = Literal["text", "json", "csv"]
NARROWEST = 24  # characters; a last column with less than that is not wrapped


def form_options(function: F) -> F:
    """Add ``--json`` and ``--csv``, which a command takes as ``form: Form``."""
    choices: dict[Form, str] = {"csv": "Print CSV.", "json": "Print JSON."}
    for form, text in choices.items():
        option = click.option(f"--{form}", "form", flag_value=form, help=text)
        function = option(function)
    return click.option("--text", "form", flag_value="text", default=True, hidden=True)(function)


def print_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: Form = "text"
) -> None:
    """Print rows on stdout; text has a heading, also without rows."""
    table = [{column: row[column] for column in columns} for row in rows]
    if form == "json":
        print_json(table)
        return
    if form == "csv":
        texts = [[cell_text(row[column]) for column in columns] for row in table]
        print_data("".join(map(csv_line, [columns, *texts])))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    cells = [[cell_text(row[column]) for column in columns] for row in table]
    click.echo(aligned([list(columns), *cells], width))


def cell_text(value: Any) -> str:
    """Return a value as a table shows it: nothing for ``None``, lists without brackets."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def csv_line(cells: Sequence[str]) -> str:
    r"""Return a line of CSV that ends in ``\n``; whatever may end a line elsewhere is quoted."""
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\r\n").writerow(cells)
    return target.getvalue().removesuffix("\r\n") + "\n"


def print_json(value: Any) -> None:
    """Print JSON on stdout, for people too; nothing in it steers a terminal."""
    click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def print_data(text: str) -> None:
    """Print data that end in a line break as they are; on a terminal, nothing in them steers it."""
    click.echo(printable(text, lines=True) if sys.stdout.isatty() else text, nl=False)


def narrate(text: str) -> None:
    """Print lines of narration on stderr; nothing in them steers a terminal."""
    click.echo(printable(text, lines=True), err=True)


def aligned(cells: list[list[str]], width: int | None = None) -> str:
    """Return rows of cells as lines; the last column is wrapped where lines have a width."""
    cells = [list(map(printable, row)) for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    indent = sum(widths) + 2 * len(widths)
    room = max(width - indent, NARROWEST) if width else None
    lines = []
    for *row, last in cells:
        start = "".join(f"{cell:<{size}}  " for cell, size in zip(row, widths, strict=True))
        parts = (textwrap.wrap(last, room) if room else None) or [last]
        lines.append((start + parts[0]).rstrip())
        lines.extend(" " * indent + part for part in parts[1:])
    return "\n".join(lines)
