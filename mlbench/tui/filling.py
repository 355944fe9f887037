"""Puts other rows and columns into a table at once."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable


def fill(
    table: DataTable[Text],
    headings: Sequence[Text],
    rows: Sequence[Sequence[Text]],
    *,
    height: int = 1,
) -> None:
    """Replace what a table shows, each column as wide as its widest cell.

    The widths are set here because a DataTable that is filled twice before it is idle, as when a
    terminal is resized, would measure its headings alone.

    Args:
        table: What to fill.
        headings: One per column, of as many lines as the table's headings have.
        rows: A cell per heading.
        height: Lines of every row.
    """
    table.clear(columns=True)
    for place, heading in enumerate(headings):
        width = max(widest(cell) for cell in (heading, *(row[place] for row in rows)))
        table.add_column(heading, width=width)
    for row in rows:
        table.add_row(*row, height=height)


def widest(text: Text) -> int:
    """Return the width of the longest line."""
    return max((line.cell_len for line in text.split("\n", allow_blank=True)), default=0)
