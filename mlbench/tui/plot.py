"""Plots to look at, as all screens have them."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Grid
from textual.strip import Strip
from textual_hires_canvas import Canvas
from textual_plot import PlotWidget
from textual_plot.plot_widget import Legend


class StyledCanvas(Canvas):
    """A canvas whose lines have a style even while it has no size.

    Textual's filter for terminals without colours fails at a segment that has none.
    """

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        strip = super().render_line(y)
        return strip if strip.cell_length else Strip.blank(0, self.rich_style)


class Plot(PlotWidget, can_focus=False):
    """A plot without zoom: the wheel scrolls the page that it is on, the keys go elsewhere."""

    DEFAULT_CSS = """
    Plot {
        & > .plot--axis { color: $border; }
        & > .plot--tick { color: $secondary; text-style: none; }
        & > .plot--label { color: $secondary; text-style: none; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  as all widgets call it
        super().__init__(id=id, allow_pan_and_zoom=False)

    def compose(self) -> ComposeResult:
        """Lay out the canvases by the names that the plot knows them by."""
        with Grid():
            for name in ("margin-top", "margin-left", "plot", "margin-bottom"):
                yield StyledCanvas(1, 1, id=name)
        yield Legend(id="legend")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Leave the wheel to the page."""
        event.prevent_default()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Leave the wheel to the page."""
        event.prevent_default()
