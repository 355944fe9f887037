"""How a technique is marked in a terminal: a glyph and a colour, so that none speaks alone."""

from __future__ import annotations

from rich.text import Text

from mlbench.report.palette import Shape, look

GLYPHS: dict[Shape, tuple[str, str]] = {
    "circle": ("●", "○"),
    "square": ("■", "□"),
    "diamond": ("◆", "◇"),
    "cross": ("✚", "+"),
    "star": ("★", "☆"),
    "pentagon": ("⬟", "⬠"),
    "triangle-up": ("▲", "△"),
    "triangle-down": ("▼", "▽"),
    "triangle-left": ("◀", "◁"),
    "triangle-right": ("▶", "▷"),
}
"""Filled and hollow; each is one cell wide."""

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def glyph(algorithm: str) -> str:
    """Return the point of a technique."""
    seen = look(algorithm)
    return GLYPHS[seen.shape][seen.hollow]


def named(algorithm: str) -> Text:
    """Return a technique as rows name it: its point, then its name as papers write it."""
    return Text.assemble((glyph(algorithm), look(algorithm).colour), " ", look(algorithm).label)


def superscript(number: int) -> str:
    """Return a footnote's number."""
    return str(number).translate(SUPERSCRIPTS)
