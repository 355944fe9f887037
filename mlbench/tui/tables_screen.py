"""The screen with the paper's tables: a statistic over runs, techniques by data sets and shots."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize
from textual.widgets import DataTable, Select, Static

from mlbench.errors import NothingToDrawError
from mlbench.report.material import Material
from mlbench.report.tables.model import Cell, Table
from mlbench.stats.names import STATISTICS, Statistic
from mlbench.tui.cell_screen import CellScreen
from mlbench.tui.export import export_table
from mlbench.tui.filling import fill
from mlbench.tui.results_view import ResultsView
from mlbench.tui.table_grid import grid
from mlbench.tui.table_words import cell_place, cell_sentence, conditions, remarks, said

PROTOCOL = "protocol"  # the choice of a statistic that leaves it to each run's protocol
Pair = tuple[Table, Table]  # without and with what the paper prints


class TablesScreen(ResultsView):
    """One table at a time; the cell under the cursor is told of below, and Enter shows its runs."""

    HEADING = "Tables"
    CHOICES = ("shown", "statistic")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "turn('shown', 1)", "Table"),
        Binding("m", "turn('statistic', 1)", "Statistic"),
        Binding("M", "turn('statistic', -1)", "Statistic before", show=False),
        Binding("p", "paper", "Paper"),
    ]
    DEFAULT_CSS = """
    TablesScreen {
        #statistic { width: 24; }
        #told { padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #cells { height: 1fr; min-height: 5; }
        #told { height: 1; }
        #notes { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        &.-tall #conditions { height: 3; text-wrap: wrap; }
        &.-tall #told { height: 3; padding: 1; }
        &.-tall #notes { max-height: 8; }
        &.-short #notes { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, Pair] = {}
        self.statistic: Statistic | None = None
        self.paper = False
        self.known: tuple[Material | None, dict[Statistic | None, list[Pair]]] = (None, {})

    def body(self) -> ComposeResult:
        """Yield the choices, a table, what it says of the cell under the cursor, and its notes."""
        yield from self.choices()
        with Vertical(id="results"):
            yield Static(id="conditions")
            yield DataTable[Text](id="cells", cursor_type="cell", zebra_stripes=True)
            yield Static(id="told")
            with VerticalScroll(id="notes", can_focus=False):
                yield Static(id="remarks")

    def on_mount(self) -> None:
        """Offer the statistics, and begin in the table."""
        offered = [("each protocol's own", PROTOCOL), *((name, name) for name in STATISTICS)]
        self.chooser("statistic").offer(offered)
        self.cells.fixed_columns = 1
        self.cells.focus()

    @property
    def cells(self) -> DataTable[Text]:
        """Return the table on the screen."""
        return self.query_one("#cells", DataTable)

    @property
    def table(self) -> Table | None:
        """Return the table that is looked at."""
        pair = self.tables.get(self.chooser("shown").chosen or "")
        return pair[self.paper] if pair else None

    def load(self, material: Material) -> tuple[Statistic | None, list[Pair]]:
        """Return all tables of the chosen statistic, with the paper's numbers."""
        from mlbench.report.tables.shape import tables

        of, known = self.known
        if of is not material:
            known = {}  # and not emptied: another thread may still be filling it
            self.known = material, known
        statistic = self.statistic
        if statistic not in known:
            asked = material.under(statistic)
            plain, compared = tables(asked, paper=False), tables(asked, paper=True)
            known[statistic] = list(zip(plain, compared, strict=True))
        return statistic, known[statistic]

    def show(self, loaded: tuple[Statistic | None, list[Pair]]) -> None:
        """Offer the tables, and show the one that was looked at."""
        statistic, tables = loaded
        if statistic != self.statistic:
            return  # another one has been asked for since
        self.settle(empty=not tables)
        self.tables = {f"{pair[0].title}, {pair[0].conditions}": pair for pair in tables}
        count = len(self.tables)
        self.chooser("shown").offer(
            [(f"{n}/{count}  {name}", name) for n, name in enumerate(self.tables, 1)]
        )
        self.lay_out()

    def lay_out(self) -> None:
        """Put the table into cells, and the cursor where it was."""
        if (table := self.table) is None:
            return
        cells = self.cells
        row, column = cells.cursor_coordinate
        shape = grid(table, width=self.size.width - 3, paper=self.paper)
        cells.header_height = shape.heading_height
        fill(cells, shape.headings, shape.rows, height=shape.row_height)
        cells.move_cursor(row=row, column=max(1, column), animate=False)
        self.query_one("#conditions", Static).update(conditions(table))
        self.query_one("#remarks", Static).update(remarks(table, paper=self.paper))
        self.tell()

    @on(Resize)
    def fit(self) -> None:
        """Use the room that there is."""
        self.lay_out()

    @on(Select.Changed)
    def choose(self, event: Select.Changed) -> None:
        """Show another table, or all tables of another statistic."""
        if event.select.id == "statistic":
            self.statistic = next((name for name in STATISTICS if name == event.value), None)
            self.compute()
        else:
            self.lay_out()

    @on(DataTable.CellHighlighted)
    def tell(self) -> None:
        """Say in words what is under the cursor."""
        self.query_one("#told", Static).update(self.told())

    def told(self) -> Text:
        """Return a sentence on the cell under the cursor."""
        place = self.place()
        if place is None or (table := self.table) is None:
            return Text()
        row, column = place
        return cell_sentence(table, row, column)

    def place(self) -> tuple[int, int] | None:
        """Return row and column of the cell under the cursor, ``None`` outside the numbers."""
        row, column = self.cells.cursor_coordinate
        table = self.table
        if table is None or not (row < len(table.rows) and 0 < column <= len(table.columns)):
            return None
        return row, column - 1

    @on(DataTable.CellSelected)
    def open_cell(self) -> None:
        """Show the query of a cell, and its runs."""
        place, table = self.place(), self.table
        if table is None or place is None or (cell := self.cell_at(place)) is None:
            return
        self.app.push_screen(
            CellScreen(
                self.dashboard.paths,
                cell_place(table, *place),
                Text(said(cell, table)),
                [table.notes[number - 1] for number in cell.notes],
                cell.query,
            )
        )

    def cell_at(self, place: tuple[int, int]) -> Cell | None:
        """Return a cell of the table that is looked at."""
        return self.table.rows[place[0]].cells[place[1]] if self.table else None

    def action_paper(self) -> None:
        """Show the paper's numbers beside, or no more."""
        self.paper = not self.paper
        if self.paper and self.table is not None and not self.table.compared:
            self.notify("The paper prints nothing for the settings of this table.")
        self.lay_out()

    def export(self, folder: Path) -> list[Path]:
        """Write the table as CSV, Markdown and LaTeX.

        Raises:
            MlbenchError: There is none, or it cannot be written.
        """
        if self.table is None:
            raise NothingToDrawError("there is no table to export; it takes a finished run")
        return export_table(folder, self.table)
