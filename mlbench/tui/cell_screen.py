"""What a cell of a table rests on: its query, and the runs that the query lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import polars as pl
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static

from mlbench.errors import MlbenchError
from mlbench.report.frames import cell
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import sql
from mlbench.tui.aside import aside
from mlbench.tui.filling import fill


class CellScreen(ModalScreen[None]):
    """Opens over a table; Escape closes it.

    Args:
        paths: The store.
        heading: Which cell this is.
        sentence: What it says.
        notes: Its footnotes.
        query: What lists its runs.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("c", "copy", "Copy the query"),
    ]
    DEFAULT_CSS = """
    CellScreen {
        align: center middle;
        background: $background 60%;
        #box { width: 90%; max-width: 110; height: auto; max-height: 90%; padding: 0 2 1 2;
               border: round $border; border-title-color: $text; background: $background; }
        #words { height: auto; margin: 0 0 1 0; }
        #query-box { height: auto; max-height: 25vh; padding: 0 2; color: $text-muted; }
        #query { height: auto; }
        #runs { height: auto; max-height: 35vh; margin: 1 0 0 0; background: $background; }
        #query-box, #runs { scrollbar-size: 1 1; }
        #keys { color: $text-muted; margin: 1 0 0 0; }
    }
    """

    def __init__(
        self, paths: StorePaths, heading: str, sentence: Text, notes: Sequence[str], query: str
    ) -> None:
        super().__init__()
        self.paths = paths
        self.heading = heading
        self.words = Text("\n").join([sentence, *map(Text, notes)])
        self.query_text = query
        self.frame: pl.DataFrame | None = None

    def compose(self) -> ComposeResult:
        """Lay out words, query and runs."""
        with Vertical(id="box") as box:
            box.border_title = Text(self.heading)
            yield Static(self.words, id="words")
            with VerticalScroll(id="query-box", can_focus=False):
                yield Static(Text(self.query_text), id="query")
            yield DataTable[Text](id="runs", cursor_type="row")
            yield Static("Enter opens a run, c copies the query, Esc closes", id="keys")

    def on_mount(self) -> None:
        """Ask for the runs."""
        self.ask()

    @work(exclusive=True)
    async def ask(self) -> None:
        """Run the query on a thread."""
        try:
            frame = await aside(sql, self.paths, self.query_text)
        except MlbenchError as error:
            self.query_one("#words", Static).update(Text(str(error)))
        else:
            self.fill(frame)

    def fill(self, frame: pl.DataFrame) -> None:
        """List the runs."""
        self.frame = frame
        runs = self.query_one("#runs", DataTable)
        sides: list[Literal["left", "right"]] = [
            "right" if kind.is_numeric() else "left" for kind in frame.dtypes
        ]
        texts = [frame.columns, *([cell(value) for value in row] for row in frame.iter_rows())]
        headings, *rows = (
            [Text(text, justify=side) for text, side in zip(line, sides, strict=True)]
            for line in texts
        )
        fill(runs, headings, rows)
        runs.focus()

    @on(DataTable.RowSelected)
    def open_run(self, event: DataTable.RowSelected) -> None:
        """Go to the run under the cursor."""
        from mlbench.tui.app import Dashboard

        if isinstance(self.app, Dashboard) and self.frame is not None:
            run_id = self.frame["run_id"][event.cursor_row]
            self.dismiss()
            self.app.open_run(run_id)

    def action_copy(self) -> None:
        """Copy the query, where the terminal allows it."""
        self.app.copy_to_clipboard(self.query_text)
        self.notify("The query is in the clipboard.")
