"""The screen that sets running times against scores, as Figure 3.4 does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import DataTable, Select, Static

from mlbench.errors import NothingToDrawError
from mlbench.report.compared_times import time_pairs
from mlbench.report.material import Material
from mlbench.report.tables.words import MEASURE
from mlbench.stats.names import PHRASES
from mlbench.tui.export import figure_writer, frame_writer, write_files
from mlbench.tui.fields import Field, fields, within
from mlbench.tui.results_view import ResultsView
from mlbench.tui.times_plot import TimesPlot, point_of
from mlbench.tui.times_table import fill_ratios, fill_times, numbered, orders, unit_of

WORK = ("train_dataset", "ways", "shots", "machine", "stacked")
"""What the times of one plot share, besides the conditions of its runs."""


@dataclass(frozen=True)
class Times:
    """Running times of one store."""

    summary: pl.DataFrame
    ratios: pl.DataFrame


class TimesScreen(ResultsView):
    """A plot of one data set, number of shots and machine, over a table of the same."""

    HEADING = "Times"
    CHOICES = ("shown",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "turn('shown', 1)", "Next"),
        Binding("r", "ratios", "Ratios"),
    ]
    DEFAULT_CSS = """
    TimesScreen {
        #orders { height: auto; max-height: 3; padding: 0 1; }
        #conditions { height: auto; max-height: 2; text-wrap: wrap; }
        #both { height: 1fr; layout: vertical; }
        #plot-times { height: 1fr; min-height: 6; }
        #rows { height: auto; max-height: 50%; }
        &.-short #orders, &.-short #conditions { display: none; }
        &.-wide #both { layout: horizontal; }
        &.-wide #rows { width: auto; max-width: 60%; max-height: 100%; }
        &.-tall #both { layout: vertical; }
        &.-tall #rows { width: 1fr; max-width: 100%; max-height: 50%; }
        &.-tall #conditions { max-height: 3; }
        &.-tall #orders { padding: 1 1 0 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.times: Times | None = None
        self.shown_fields: dict[str, Field] = {}
        self.material: Material | None = None
        self.by_ratio = False

    def body(self) -> ComposeResult:
        """Yield the choice, plot and table, and how the orders compare."""
        yield from self.choices()
        with Vertical(id="results"):
            yield Static(id="conditions")
            with Container(id="both"):
                yield TimesPlot(id="plot-times")
                yield DataTable[Text](id="rows", cursor_type="row", zebra_stripes=True)
            yield Static(id="orders")

    def on_mount(self) -> None:
        """Begin in the table."""
        self.query_one("#rows", DataTable).focus()

    def load(self, material: Material) -> tuple[Material, Times]:
        """Return times and their ratios."""
        return material, Times(material.time_summary, time_pairs(material))

    def show(self, loaded: tuple[Material, Times]) -> None:
        """Offer what there are times of, and show what was looked at."""
        self.material, self.times = loaded
        timed = self.times.summary.filter(pl.col("seconds").is_not_null())
        self.settle(empty=timed.is_empty())
        self.shown_fields = fields(timed, WORK)
        self.chooser("shown").offer(
            [(field.label, key) for key, field in self.shown_fields.items()]
        )
        self.lay_out()

    @property
    def field(self) -> Field | None:
        """Return what is looked at."""
        return self.shown_fields.get(self.chooser("shown").chosen or "")

    @on(Select.Changed)
    def lay_out(self) -> None:
        """Draw the plot, and fill the table."""
        if self.times is None or (field := self.field) is None:
            return
        rows = numbered(within(self.times.summary, field))
        ratios = within(self.times.ratios, field)
        points = [point for row in rows if (point := point_of(row, rows)) is not None]
        unit = unit_of([row["seconds"] for row in rows])
        plot = self.query_one(TimesPlot)
        plot.display = bool(points)
        plot.draw(points, unit[0])
        self.query_one("#conditions", Static).update(
            Text(
                f"{MEASURE[rows[0]['kind']]} (up) against {unit[1]} (across);"
                f" {PHRASES[rows[0]['statistic']]}; time: median, bootstrap\n{field.conditions}"
            )
        )
        self.query_one("#orders", Static).update(orders(ratios))
        table = self.query_one("#rows", DataTable)
        fill_ratios(table, ratios) if self.by_ratio else fill_times(table, rows, unit)

    def action_ratios(self) -> None:
        """Show ratios of times in the table, or the times again."""
        self.by_ratio = not self.by_ratio
        self.lay_out()

    def export(self, folder: Path) -> list[Path]:
        """Write times and ratios as CSV, and Figure 3.4.

        Raises:
            MlbenchError: There are none, or they cannot be written.
        """
        from mlbench.stats.times import with_machines

        if self.times is None or self.material is None or (field := self.field) is None:
            raise NothingToDrawError(
                "there are no running times to export; it takes a finished run"
            )
        runs = with_machines(self.material.times)
        runs = within(runs.join(self.material.counted, on="run_id", how="left"), field)
        drawn = self.material, runs["run_id"]
        writers = {
            ".csv": frame_writer(within(self.times.summary, field)),
            "-ratios.csv": frame_writer(within(self.times.ratios, field)),
            "-figure-3.4.svg": figure_writer("figure-3.4", *drawn),
            "-figure-3.4.html": figure_writer("figure-3.4", *drawn),
        }
        return write_files(folder, "times", writers)
