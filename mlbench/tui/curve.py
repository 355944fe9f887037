"""A learning curve in the terminal: braille lines, a title above, labelled axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual_plot import HiResMode
from textual_plot.axis_formatter import NumericAxisFormatter

from mlbench.tui.plot import Plot

BEST = "◆"
MARGIN = 0.06  # of an axis, beyond the outermost points
LEFT = 8  # characters for what stands beside the ticks
PARTS = (".title", "#plot", "#legend")
"""What must be there to be drawn in: a curve is laid out, and removed, part by part."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What a curve shows.

    Args:
        title: What is drawn, with its unit.
        x, y: The line, from left to right.
        noisy: Whether to draw means over windows where points stand close.
        best: The point to mark.
        colour: ``#rrggbb``.
        tasks: The end of the x axis.
    """

    title: Content
    x: Sequence[float]
    y: Sequence[float]
    noisy: bool
    best: tuple[float, float] | None
    colour: str
    tasks: int


class Ticks(NumericAxisFormatter):
    """Round numbers at even distances, no more of them than there is room for."""

    most: int = 5

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        """Return where ticks are."""
        return round_numbers(min_, max_, self.most)

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return what stands beside ticks; large ones in thousands."""
        if ticks and max(ticks) >= 10_000 and all(tick % 100 == 0 for tick in ticks):
            return [f"{tick / 1000:g}k" if tick else "0" for tick in ticks]
        return super().get_labels_for_ticks(ticks)


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``."""
    least = (high - low) / max(1, most)
    if not (math.isfinite(least) and least > 0):
        return [low]
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= least)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def thinned(
    x: Sequence[float], y: Sequence[float], most: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Return no more points than there is room for: means over windows of finite ones."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    size = -(-len(points) // max(1, most))
    windows = [points[i : i + size] for i in range(0, len(points), max(1, size))]
    return (
        [fmean(a for a, _ in window) for window in windows],
        [fmean(b for _, b in window) for window in windows],
    )


class Curve(Vertical):
    """One line over the training tasks.

    Args:
        xlabel: What stands below.
    """

    DEFAULT_CSS: ClassVar[str] = """
    Curve {
        .title { height: 1; padding: 0 1; text-overflow: ellipsis; text-wrap: nowrap; }
        Plot { height: 1fr; }
        .below { height: 1; padding-left: 8; text-align: center; color: $secondary; }
    }
    """

    def __init__(self, xlabel: str, *, id: str) -> None:  # noqa: A002  as all widgets call it
        super().__init__(id=id)
        self.xlabel = xlabel
        self.drawing: Drawing | None = None
        self.across, self.upwards = Ticks(), Ticks()

    def compose(self) -> ComposeResult:
        """Lay out the title, the plot, and what its x axis is."""
        yield Static(classes="title")
        yield Plot()
        yield Static(self.xlabel, classes="below")

    def on_mount(self) -> None:
        """Make room for what stands around the plot, and no more."""
        plot = self.query_one(Plot)
        plot.margin_top, plot.margin_left, plot.margin_bottom = 0, LEFT, 1
        plot.set_x_formatter(self.across)
        plot.set_y_formatter(self.upwards)
        self.app.theme_changed_signal.subscribe(self, lambda _: self.draw_again())

    def on_resize(self) -> None:
        """Choose as many points and ticks as there is room for."""
        self.draw_again()

    def draw(self, drawing: Drawing) -> None:
        """Draw, unless that is what is drawn already."""
        if drawing != self.drawing:
            self.drawing = drawing
            self.draw_again()

    def draw_again(self) -> None:
        """Draw in the size and the colours that there are."""
        drawing = self.drawing
        if drawing is None:
            return
        if not all(self.query(part) for part in PARTS):  # not laid out yet, or being removed
            if self.is_attached:
                self.call_after_refresh(self.draw_again)
            return
        plot = self.query_one(Plot)
        across, upwards = self.size.width - LEFT - 2, self.size.height - 5
        self.across.most, self.upwards.most = max(2, across // 9), max(3, 2 * upwards // 3)
        self.query_one(".title", Static).update(drawing.title)
        plot.clear()
        most = max(8, across // 2) if drawing.noisy else 4 * max(8, across)
        self.set_class(not drawing.x, "-empty")
        x, y = thinned(drawing.x, drawing.y, most)
        plot.set_xlimits(0, max(1, drawing.tasks) * (1 + MARGIN / 2))
        plot.set_ylimits(*padded(y))
        if len(x) == 1:
            plot.scatter(x, y, marker="•", marker_style=drawing.colour)
        elif x:
            plot.plot(x, y, line_style=drawing.colour, hires_mode=HiResMode.BRAILLE)
        if drawing.best is not None:
            plot.scatter(
                [drawing.best[0]],
                [drawing.best[1]],
                marker=BEST,
                marker_style=f"bold {self.strong()}",
            )

    def strong(self) -> str:
        """Return the colour of the theme's text, as Rich writes it."""
        colour = Color.parse(self.app.theme_variables["foreground"]).rich_color
        return colour.name if colour.triplet is None else colour.triplet.hex


def padded(y: Sequence[float]) -> tuple[float, float]:
    """Return an axis with some room beyond its points."""
    if not y:
        return (0.0, 1.0)
    low, high = min(y), max(y)
    margin = MARGIN * (high - low) or MARGIN * abs(high) or MARGIN
    return (low - margin, high + margin)
