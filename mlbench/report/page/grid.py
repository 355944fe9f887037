"""A table of a page: in a box of its own, so that a narrow screen scrolls it and not the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlbench.report.page.markup import Child, Html, tag

SHORT = 32  # characters that stay on one line


@dataclass(frozen=True)
class Heading:
    """The head of a column.

    Args:
        text: What it says.
        right: Whether the column is of numbers.
        wraps: Whether its text may take several lines.
    """

    text: Child
    right: bool = False
    wraps: bool = False


def grid(
    caption: Child,
    headings: Sequence[Heading | str],
    rows: Iterable[Sequence[Child]],
    *,
    class_: str = "",
) -> Html:
    """Return a table whose first column heads its rows."""
    columns = [Heading(each) if isinstance(each, str) else each for each in headings]
    head = tag("tr", [tag("th", c.text, scope="col", class_=kind(c)) for c in columns])
    body = [tag("tr", cells(columns, row)) for row in rows]
    return boxed(
        tag(
            "table",
            tag("caption", tag("div", caption)),
            tag("thead", head),
            tag("tbody", body),
        ),
        class_=class_,
    )


def cells(columns: Sequence[Heading], row: Sequence[Child]) -> list[Html]:
    """Return the cells of a row, the first of which names it."""
    made = []
    for place, (column, value) in enumerate(zip(columns, row, strict=True)):
        if place == 0:
            made.append(tag("th", value, scope="row", class_=kind(column, value)))
        else:
            made.append(tag("td", value, class_=kind(column, value)))
    return made


def kind(column: Heading, value: Child = None) -> str | None:
    """Return the class of a cell: only a long text takes the room to wrap."""
    long = column.wraps and isinstance(value, str) and len(value) > SHORT
    names = ["right"] * column.right + ["wraps"] * long
    return " ".join(names) or None


def boxed(content: Html, *, class_: str = "") -> Html:
    """Return content in a box that scrolls sideways, by keys too."""
    return tag("div", content, class_=f"scroll {class_}".strip(), tabindex=0)
