"""A list of runs that draws no more than what is in sight, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlbench.store.records import Status
from mlbench.store.snapshot import RunRow
from mlbench.tui import amounts
from mlbench.tui.runs_columns import (
    COLUMNS,
    DATA_WIDTHS,
    NEWEST,
    TWINS,
    WIDE,
    Column,
    Piece,
    data_text,
    fitting,
)

MARK = "▌"
STATUSES: tuple[Status, ...] = ("running", "finished", "diverged", "interrupted", "failed")


class RunList(ScrollView, can_focus=True):
    """Runs, one a line, under headings; with a cursor that stays on its run."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-list--heading",
        "run-list--sorted",
        "run-list--cursor",
        "run-list--hover",
        "run-list--faint",
        *(f"run-list--{status}" for status in STATUSES),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("up,k", "move(-1)", "One up", show=False),
        Binding("down,j", "move(1)", "One down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
        Binding("pagedown", "page(1)", "A page down", show=False),
        Binding("home,g", "end(-1)", "To the top", show=False),
        Binding("end,G", "end(1)", "To the bottom", show=False),
    ]
    cursor: reactive[int] = reactive(0)
    hovered: reactive[int | None] = reactive(None)

    @dataclass
    class Highlighted(Message):
        """The cursor is on another run; ``None`` if there is none."""

        run: RunRow | None

    @dataclass
    class Opened(Message):
        """A run is to be opened."""

        run: RunRow

    @dataclass
    class HeadingClicked(Message):
        """A heading was clicked."""

        key: str

    def __init__(self) -> None:
        super().__init__()
        self.runs: Sequence[RunRow] = ()
        self.moment = datetime.min  # noqa: DTZ901  as in the store: UTC, without a time zone
        self.sorting = NEWEST
        self.columns: list[tuple[Column, int]] = []
        self.gap = 1

    @property
    def current(self) -> RunRow | None:
        """Return the run under the cursor."""
        return self.runs[self.cursor] if self.cursor < len(self.runs) else None

    def display_runs(
        self, runs: Sequence[RunRow], moment: datetime, sorting: tuple[str, bool]
    ) -> None:
        """Show runs in the order given; the cursor and what is in sight stay with their run.

        Args:
            runs: From top to bottom.
            moment: What ages are counted from.
            sorting: The column that they are sorted by, and whether downwards.
        """
        before, above = self.current, self.cursor - self.scroll_offset.y
        at_top = self.scroll_offset.y == 0 and self.cursor == 0
        self.runs, self.moment, self.sorting = runs, moment, sorting
        self.fit_columns()
        if before is not None and not (at_top and sorting == NEWEST):
            places = {run.run_id: place for place, run in enumerate(runs)}
            self.cursor = places.get(before.run_id, min(self.cursor, max(0, len(runs) - 1)))
            self.scroll_to(y=self.cursor - above, animate=False, immediate=True)
        self.cursor = min(self.cursor, max(0, len(runs) - 1))
        self.bring_cursor_into_sight()
        self.post_message(self.Highlighted(self.current))
        self.refresh()

    def fit_columns(self) -> None:
        """Choose columns for the width; the data sets take what room is left, if they need it."""
        width = self.size.width
        chosen = fitting(COLUMNS, self.app.size.width)
        self.gap = gap = 2 if self.app.size.width >= WIDE else 1
        needed = max((len(data_text(run)) for run in self.runs), default=0)
        least, most = DATA_WIDTHS
        others = sum(column.width + gap for column in chosen if column.key != "data")
        room = width - 1 - others - gap
        data = max(least, min(most, room, max(needed, len("data"))))
        self.columns = [
            (column, (data if column.key == "data" else column.width) + gap) for column in chosen
        ]
        self.virtual_size = Size(width, len(self.runs) + 1)

    def on_resize(self) -> None:
        """Fit again."""
        self.fit_columns()
        self.bring_cursor_into_sight()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the headings on top, then runs."""
        width = self.size.width
        if y == 0:
            return self.heading_line(width)
        index = y - 1 + self.scroll_offset.y
        base = self.rich_style
        if index >= len(self.runs):
            return Strip.blank(width, base)
        at_cursor = index == self.cursor
        if at_cursor:
            base += self.get_component_rich_style("run-list--cursor")
        elif index == self.hovered:
            base += self.get_component_rich_style("run-list--hover")
        segments = [Segment(MARK if at_cursor and self.has_focus else " ", base)]
        run = self.runs[index]
        for column, room in self.columns:
            segments.extend(self.cell(column, room, column.pieces(run, self.moment), base))
        return Strip(segments).adjust_cell_length(width, base)

    def heading_line(self, width: int) -> Strip:
        """Draw the headings, that of the order with an arrow."""
        style = self.rich_style + self.get_component_rich_style("run-list--heading")
        strong = style + self.get_component_rich_style("run-list--sorted")
        key, descending = self.sorting
        segments = [Segment(" ", style)]
        for column, room in self.columns:
            text = column.heading
            sorts = same_order(column.key, key)
            if sorts:
                text = f"{text[: room - self.gap - 1]}{'▼' if descending else '▲'}"
            segments.extend(self.cell(column, room, [(text, "")], strong if sorts else style))
        return Strip(segments).adjust_cell_length(width, style)

    def cell(
        self, column: Column, room: int, pieces: Sequence[Piece], base: Style
    ) -> list[Segment]:
        """Draw one cell, cut to its room, with the gap after it."""
        open_ = room - self.gap
        segments = []
        for text, look in pieces:
            shown = amounts.cut(text, open_)
            open_ -= len(shown)
            segments.append(Segment(shown, base + self.piece_style(look)))
        blank = Segment(" " * open_, base)
        inside = [blank, *segments] if column.right else [*segments, blank]
        return [*inside, Segment(" " * self.gap, base)]

    def piece_style(self, look: str) -> Style:
        """Return the style of a piece."""
        if look.startswith("#"):
            return Style(color=look)
        if not look:
            return Style.null()
        return self.get_component_rich_style(f"run-list--{look}", partial=True)

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw the cursor where it went."""
        if old != new:
            self.post_message(self.Highlighted(self.current))
            self.refresh()

    def bring_cursor_into_sight(self) -> None:
        """Scroll as little as shows the cursor."""
        top, height = self.scroll_offset.y, self.size.height - 1
        if height <= 0:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def move_to(self, index: int) -> None:
        """Put the cursor on a line, the nearest one that there is."""
        self.cursor = max(0, min(index, len(self.runs) - 1))
        self.bring_cursor_into_sight()

    def action_move(self, lines: int) -> None:
        """Move the cursor by lines."""
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.move_to(self.cursor + pages * max(1, self.size.height - 2))

    def action_end(self, direction: int) -> None:
        """Move the cursor to an end."""
        self.move_to(0 if direction < 0 else len(self.runs) - 1)

    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def line_at(self, event: events.MouseEvent) -> int | None:
        """Return the index of the run under the mouse."""
        index = event.y - 1 + self.scroll_offset.y
        return index if event.y > 0 and index < len(self.runs) else None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show what a click would choose."""
        self.hovered = self.line_at(event)

    def on_leave(self) -> None:
        """Show it no more."""
        self.hovered = None

    def on_click(self, event: events.Click) -> None:
        """Choose a run, and open it by a second click; sort by a heading."""
        if event.y == 0:
            left = 1
            for column, room in self.columns:
                if left <= event.x < left + room:
                    self.post_message(self.HeadingClicked(column.key))
                left += room
        elif (index := self.line_at(event)) is not None:
            self.move_to(index)
            if event.chain > 1:
                self.action_open()


def same_order(shown: str, key: str) -> bool:
    """Return whether a column shows an order: some have a twin, for terminals of other widths."""
    return TWINS.get(shown, shown) == TWINS.get(key, key)
