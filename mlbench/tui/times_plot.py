"""Running time against score, as points with intervals and their names beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from textual.app import RenderResult
from textual.geometry import Region, Spacing
from textual_hires_canvas import Canvas

from mlbench.report.palette import look
from mlbench.tui.marks import glyph
from mlbench.tui.plot import Plot


@dataclass(frozen=True, kw_only=True)
class Point:
    """A technique in the plot: median time in seconds, score, and their intervals.

    Args:
        name: What to write beside it, if there is room.
    """

    seconds: float
    seconds_ends: tuple[float, float]
    score: float
    score_ends: tuple[float, float]
    glyph: str
    colour: str
    name: str

    @property
    def seconds_high(self) -> float:
        """Return the longest time to be seen of it."""
        return max(self.seconds, self.seconds_ends[1])


def point_of(row: dict[str, Any], rows: list[dict[str, Any]]) -> Point | None:
    """Return a row as a point; ``None`` if it has no finite time and score."""
    if any(row[name] is None or not math.isfinite(row[name]) for name in ("seconds", "score")):
        return None
    alone = sum(other["algorithm"] == row["algorithm"] for other in rows) == 1
    seen = look(row["algorithm"])
    return Point(
        seconds=row["seconds"],
        seconds_ends=ends(row["seconds_low"], row["seconds_high"], row["seconds"]),
        score=row["score"],
        score_ends=ends(row["low"], row["high"], row["score"]),
        glyph=glyph(row["algorithm"]),
        colour=seen.colour,
        name=seen.label if alone else str(row["place"]),
    )


def ends(low: float | None, high: float | None, centre: float) -> tuple[float, float]:
    """Return the ends of an interval, the point itself where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return centre, centre
    return low, high


class TimesPlot(Plot):
    """Points whose names stand where they hide no other point."""

    def __init__(self, id: str) -> None:  # noqa: A002  as all widgets call it
        super().__init__(id=id)
        self.points: list[Point] = []
        self.unit = 1.0

    def on_mount(self) -> None:
        """Leave the room to the points; what the axes are stands elsewhere."""
        super().on_mount()
        self.margin_top, self.margin_bottom, self.margin_left = 0, 1, 7

    def draw(self, points: Sequence[Point], unit: float) -> None:
        """Show other points.

        Args:
            points: With finite numbers.
            unit: Of the time axis, in seconds.
        """
        self.points = list(points)
        self.unit = unit
        self.clear()
        if points:
            self.set_xlimits(0.0, 1.06 * max(point.seconds_high for point in points) / unit)
            self.set_ylimits(*limits(points))

    def render(self) -> RenderResult:
        """Draw the axes, then the points and what there is room for of their names."""
        result = super().render()
        canvas = self.query_one("#plot", Canvas)
        if canvas.size.width > 2 and canvas.size.height > 2:
            self.draw_points(canvas, canvas.size.region.shrink(Spacing.all(1)))
        return result

    def draw_points(self, canvas: Canvas, inside: Region) -> None:
        """Draw intervals, then points over them, then names beside them."""
        places = [self.cell(point.seconds, point.score) for point in self.points]
        crossed: set[tuple[int, int]] = set()
        for point, (x, y) in zip(self.points, places, strict=True):
            left, right = (self.cell(end, point.score)[0] for end in point.seconds_ends)
            bottom, top = (self.cell(point.seconds, end)[1] for end in point.score_ends)
            canvas.draw_line(x, top, x, bottom, char="│", style=point.colour)
            canvas.draw_line(left, y, right, y, char="─", style=point.colour)
            crossed |= {(x, row) for row in range(top, bottom + 1)}
            crossed |= {(column, y) for column in range(left, right + 1)}
        taken = {(x + by, y) for x, y in places for by in (-1, 0, 1)}
        for point, (x, y) in zip(self.points, places, strict=True):
            canvas.set_pixel(x, y, char=point.glyph, style=f"bold {point.colour}")
            if found := free_place(point.name, x, y, inside, taken, crossed):
                canvas.write_text(*found, f"[{point.colour}]{escape(point.name)}")
                taken |= covered(point.name, *found)

    def cell(self, seconds: float, score: float) -> tuple[int, int]:
        """Return column and row of a point in the plot."""
        return self.get_pixel_from_coordinate(seconds / self.unit, score)


def free_place(
    name: str,
    x: int,
    y: int,
    inside: Region,
    taken: set[tuple[int, int]],
    crossed: set[tuple[int, int]],
) -> tuple[int, int] | None:
    """Return column and row where a name hides no point, and as little else as can be.

    Args:
        name: What to write.
        x: Column of its point.
        y: Row of it.
        inside: Where it has to be.
        taken: Cells of points and of other names.
        crossed: Cells of intervals.
    """
    lefts = (x + 2, x - 1 - len(name), x - len(name) // 2, x + 1, x - len(name))
    places = [(left, y + by) for by in (0, -1, 1) for left in (lefts[:2] if by == 0 else lefts[2:])]
    free = [
        (left, row)
        for left, row in places
        if inside.x < left
        and left + len(name) < inside.right
        and inside.y <= row < inside.bottom
        and not covered(name, left, row) & taken
    ]
    return min(free, key=lambda place: len(covered(name, *place) & crossed), default=None)


def covered(name: str, left: int, row: int) -> set[tuple[int, int]]:
    """Return the cells of a name, with one before and one after it."""
    return {(left + step, row) for step in range(-1, len(name) + 1)}


def limits(points: Sequence[Point]) -> tuple[float, float]:
    """Return the lowest and the highest score to be seen, with a margin."""
    low = min(min(point.score_ends) for point in points)
    high = max(max(point.score_ends) for point in points)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin
