"""The screen that compares two techniques on the very same episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import DataTable, Select, Static

from mlbench.errors import NothingToDrawError
from mlbench.report.material import Material
from mlbench.stats.paired import flip
from mlbench.tui.export import figure_writer, frame_writer, write_files
from mlbench.tui.fields import Field
from mlbench.tui.filling import fill
from mlbench.tui.marks import named
from mlbench.tui.pair_panel import PairPanel, p_text
from mlbench.tui.pairs import Name, Pairs, chosen, comparable, label, pairs_of
from mlbench.tui.results_view import ResultsView
from mlbench.tui.table_grid import signed

Order = Literal["technique", "difference", "p"]
ORDERS: dict[Order, str] = {"technique": "first", "difference": "diff.", "p": "p (Holm)"}
"""By what pairs are sorted, and the heading that says so."""
ANY = "any"  # the choice of no technique in particular
HEADS = ("first", "second", "diff.", "95 % interval", "p (Holm)", "won", "lost", "equal")
NARROW = 5  # how many of them there is room for on 80 columns
LONE = (
    "Nothing to compare yet: it takes two techniques,\n"
    "or one under two settings, that were tested on\n"
    "the same data with the same number of shots."
)


class CompareScreen(ResultsView):
    """All pairs of one field in a table; the one under the cursor is drawn above."""

    HEADING = "Compare"
    CHOICES = ("shown", "first", "second")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "turn('shown', 1)", "Next"),
        Binding("f", "turn('first', 1)", "First"),
        Binding("F", "turn('first', -1)", "First before", show=False),
        Binding("s", "turn('second', 1)", "Second"),
        Binding("S", "turn('second', -1)", "Second before", show=False),
        Binding("x", "swap", "Swap", show=False),
        Binding("o", "order", "Order"),
    ]
    DEFAULT_CSS = """
    CompareScreen {
        #first, #second { width: 30%; max-width: 30; }
        #drawn { height: 6; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #pairs { height: 1fr; min-height: 3; }
        &.-normal-height #drawn { height: 11; }
        &.-tall #drawn { height: 14; padding: 1 1; }
        &.-tall #conditions { height: 2; text-wrap: wrap; }
        &.-short #conditions { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.material: Material | None = None
        self.offered: dict[str, Field] = {}
        self.known: dict[str, Pairs] = {}
        self.wanted: str | None = None
        self.rows = pl.DataFrame()
        self.order: Order = "technique"
        self.swapped = False

    def body(self) -> ComposeResult:
        """Yield the choices, the pair under the cursor, and all pairs."""
        yield from self.choices()
        with Vertical(id="results"):
            yield Static(id="conditions")
            yield PairPanel(id="drawn")
            yield DataTable[Text](id="pairs", cursor_type="row", zebra_stripes=True)

    def on_mount(self) -> None:
        """Begin in the table."""
        self.table.focus()

    @property
    def table(self) -> DataTable[Text]:
        """Return the table of pairs."""
        return self.query_one("#pairs", DataTable)

    @property
    def field(self) -> Field | None:
        """Return what is looked at."""
        return self.offered.get(self.wanted or "")

    @property
    def pairs(self) -> Pairs | None:
        """Return all its pairs, ``None`` until they are known."""
        return self.known.get(self.wanted or "")

    def load(
        self, material: Material
    ) -> tuple[Material, dict[str, Field], str | None, Pairs | None]:
        """Return what can be compared, and all pairs of what is looked at."""
        offered = comparable(material)
        wanted = self.wanted if self.wanted in offered else next(iter(offered), None)
        pairs = None if wanted is None else pairs_of(material, offered[wanted])
        return material, offered, wanted, pairs

    def show(self, loaded: tuple[Material, dict[str, Field], str | None, Pairs | None]) -> None:
        """Offer what can be compared, and show the pairs."""
        material, self.offered, known, pairs = loaded
        if material is not self.material:
            self.material, self.known = material, {}
        if known is not None and pairs is not None:
            self.known[known] = pairs
        self.settle(empty=not self.offered, reason=LONE if len(material.counted) else None)
        options = [(field.label, key) for key, field in self.offered.items()]
        self.chooser("shown").offer(options)
        self.look_at_chosen()

    def look_at_chosen(self) -> None:
        """Show what is chosen, once it is known."""
        self.wanted = self.chooser("shown").chosen
        if self.pairs is not None:
            self.lay_out()
        elif self.wanted is not None:
            self.compute()

    def lay_out(self) -> None:
        """Offer the competitors, and list the pairs."""
        if (pairs := self.pairs) is None or (field := self.field) is None:
            return
        names = [(label(name), repr(name)) for name in pairs.names]
        self.chooser("first").offer([("first: any", ANY), *names])
        self.chooser("second").offer([("second: any", ANY), *names])
        self.query_one("#conditions", Static).update(Text(field.conditions))
        self.list_pairs()

    def list_pairs(self) -> None:
        """List the chosen pairs in the chosen order, the cursor on the same one if it is there."""
        if (pairs := self.pairs) is None:
            return
        seen = self.pair_under_cursor()
        rows = chosen(pairs.compared, self.competitor("first"), self.competitor("second"))
        rows = flip(rows) if self.swapped else rows
        if self.order == "difference":
            rows = rows.sort(pl.col("difference").abs(), descending=True, nulls_last=True)
        elif self.order == "p":
            rows = rows.sort("p_value", nulls_last=True, maintain_order=True)
        self.rows = rows
        table = self.table
        room = max(19, (self.size.width - 60) // 2)
        heads = HEADS if self.size.width >= 100 else HEADS[:NARROW]
        headings = [
            Text(
                f"{head} ▾" if head == ORDERS[self.order] else head,
                justify="left" if head in {"first", "second"} else "right",
            )
            for head in heads
        ]
        lines = [cells(row, room)[: len(heads)] for row in rows.iter_rows(named=True)]
        fill(table, headings, lines)
        same = [place for place, row in enumerate(rows.iter_rows(named=True)) if who(row) == seen]
        table.move_cursor(row=same[0] if same else 0, animate=False)
        self.draw()

    @on(DataTable.RowHighlighted)
    def draw(self) -> None:
        """Draw the pair under the cursor."""
        row = self.row_under_cursor()
        panel = self.query_one(PairPanel)
        panel.draw(None if row is None or self.pairs is None else self.pairs.pair(row))

    def row_under_cursor(self) -> dict[str, Any] | None:
        """Return the comparison under the cursor."""
        place = self.table.cursor_row
        return self.rows.row(place, named=True) if 0 <= place < len(self.rows) else None

    def pair_under_cursor(self) -> frozenset[Name] | None:
        """Return the two competitors under the cursor."""
        row = self.row_under_cursor()
        return None if row is None else who(row)

    def competitor(self, side: str) -> Name | None:
        """Return whom the pairs are to begin or to end with, ``None`` for anyone."""
        pairs, wanted = self.pairs, self.chooser(side).chosen
        return next((name for name in (pairs.names if pairs else ()) if repr(name) == wanted), None)

    @on(Select.Changed)
    def choose(self, event: Select.Changed) -> None:
        """Show another field, or other pairs."""
        if event.select.id == "shown":
            self.look_at_chosen()
        else:
            self.list_pairs()

    @on(Resize)
    def fit(self) -> None:
        """Use the room that there is."""
        self.list_pairs()

    @on(DataTable.HeaderSelected)
    def sort(self, event: DataTable.HeaderSelected) -> None:
        """Sort by the column that was clicked."""
        heading = event.label.plain.removesuffix(" ▾")
        self.order = next((name for name, head in ORDERS.items() if head == heading), "technique")
        self.list_pairs()

    def action_swap(self) -> None:
        """Turn the pairs: the second comes first."""
        self.swapped = not self.swapped
        self.list_pairs()

    def action_order(self) -> None:
        """Sort the pairs by something else."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.list_pairs()

    def export(self, folder: Path) -> list[Path]:
        """Write the pairs as CSV, and the figure of paired differences.

        Raises:
            MlbenchError: There are none, or they cannot be written.
        """
        if self.material is None or (pairs := self.pairs) is None or self.rows.is_empty():
            raise NothingToDrawError("there is nothing compared to export; it takes two techniques")
        seen = {name for row in self.rows.iter_rows(named=True) for name in who(row)}
        drawn = self.material, [run for name in seen for run in pairs.runs[name].values()]
        writers = {
            ".csv": frame_writer(self.rows),
            "-paired.svg": figure_writer("paired", *drawn),
            "-paired.html": figure_writer("paired", *drawn),
        }
        return write_files(folder, "compare", writers)


def cells(row: dict[str, Any], room: int) -> list[Text]:
    """Return a comparison as a row of the table.

    Args:
        row: Of the comparisons.
        room: Columns for each technique.
    """
    kind = row["kind"]
    sides = []
    for side in ("first", "second"):
        name = named(row[side])
        if settings := row[f"{side}_settings"]:
            name.append(f" {settings}", "dim")
        name.truncate(room, overflow="ellipsis")
        sides.append(name)
    known = row["low"] is not None
    sure = known and not row["low"] <= 0 <= row["high"]
    numbers = [
        "-" if row["difference"] is None else signed(row["difference"], kind),
        f"{signed(row['low'], kind)} to {signed(row['high'], kind)}" if known else "-",
        "-" if row["p_holm"] is None else p_text(row["p_holm"]).removeprefix("= "),
        *(str(row[count]) for count in ("wins", "losses", "ties")),
    ]
    style = "bold" if sure else ""
    return [*sides, *(Text(text, style, justify="right") for text in numbers)]


def who(row: dict[str, Any]) -> frozenset[Name]:
    """Return the two competitors of a comparison, whichever is first."""
    return frozenset((row[side], row[f"{side}_settings"]) for side in ("first", "second"))
