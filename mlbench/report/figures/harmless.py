r"""Specifications of charts in which names are names, whoever gave them.

Vega-Lite writes titles into expressions that it then runs, and escapes their quotes but not their
backslashes: a data set called ``\" + ...`` would be code. What draws pictures ends the process over
a control character.
"""

from __future__ import annotations

from typing import Any

from mlbench.printable import printable

EXPRESSIONS = frozenset({"labelExpr", "filter"})
"""What holds code: of ours, in which names are literals of :func:`harmless_text`."""
STROKE = "\N{SET MINUS}"  # looks like a backslash


def harmless(part: Any) -> Any:
    """Return a part of a specification whose texts hold neither backslashes nor controls."""
    match part:
        case str():
            return harmless_text(part)
        case list():
            return [harmless(each) for each in part]
        case tuple():
            return tuple(harmless(each) for each in part)
        case dict():
            return {
                harmless_text(key): value if key in EXPRESSIONS else harmless(value)
                for key, value in part.items()
            }
    return part


def harmless_text(text: str) -> str:
    """Return a text without backslashes and controls."""
    return printable(text).replace("\\", STROKE)
