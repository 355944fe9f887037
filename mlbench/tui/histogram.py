"""Histograms as text: one column a bin, eight levels to a line."""

from __future__ import annotations

from collections.abc import Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"
LEAST = 1  # a bin that is not empty shows at least this many eighths


def columns(counts: Sequence[int], height: int, *, most: int, width: int = 1) -> list[str]:
    """Return the lines of a histogram, from the top.

    Args:
        counts: A count per bin.
        height: Lines.
        most: The count that reaches the top.
        width: Characters a bin.
    """
    levels = [
        max(LEAST, round(8 * height * count / most)) if count and most else 0 for count in counts
    ]
    lines = []
    for line in range(height - 1, -1, -1):
        filled = (EIGHTHS[max(0, min(8, level - 8 * line))] for level in levels)
        lines.append("".join(block * width for block in filled))
    return lines
