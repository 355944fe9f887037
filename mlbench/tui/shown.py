"""What reaches the terminal: no control characters, whatever is called by them."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from mlbench.printable import steers


class NothingSteers(LineFilter):
    """Leaves out of every line what would steer the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line's segments."""
        if all(text.isprintable() for text, _, _ in segments):
            return segments
        return [
            segment if control else Segment(seen(text), style)
            for segment in segments
            for text, style, control in [segment]
        ]


def seen(text: str) -> str:
    """Return what is seen of a text, as wide as the screen was laid out for."""
    if text.isprintable():
        return text
    return set_cell_size("".join(each for each in text if not steers(each)), cell_len(text))
