"""Asking before a run is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mlbench.errors import MlbenchError
from mlbench.store.snapshot import RunRow
from mlbench.tui import amounts, control
from mlbench.tui.aside import aside
from mlbench.tui.launches import tell_refused

if TYPE_CHECKING:
    from mlbench.tui.app import Dashboard


class StopConfirm(ModalScreen[bool]):
    """Asks whether a run is to be stopped; the answer is what the screen returns."""

    CSS = """
    StopConfirm { align: center middle; }
    StopConfirm > Vertical {
        width: 66; max-width: 96%; height: auto; padding: 1 2; background: $panel;
        border: round $error;
    }
    StopConfirm Horizontal { height: auto; margin-top: 1; }
    StopConfirm Button { margin-right: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Stop it"),
        Binding("n,escape,q", "answer(False)", "Let it run"),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, row: RunRow, companions: int = 0) -> None:
        super().__init__()
        self.row = row
        self.companions = companions

    def compose(self) -> ComposeResult:
        """Lay out the question and its two answers."""
        row = self.row
        goes_on = "c goes on with it later: on a CPU to the same numbers, bit for bit."
        others = ""
        if self.companions:
            others = f"One program computes {self.companions + 1} runs, and all of them stop.\n\n"
            goes_on = (
                "the command that began them goes on with all: on a CPU to the same numbers, bit"
                " for bit. c goes on with this one alone, to the same up to rounding."
            )
        with Vertical():
            yield Static(
                f"Stop {row.run_id}, which has done {amounts.percent(row.done)} of its work?\n\n"
                f"{others}It saves its state first, and {goes_on}",
                markup=False,
            )
            with Horizontal():
                yield Button("Stop it (y)", id="stop", variant="error", compact=True)
                yield Button("Let it run (n)", id="keep", compact=True)

    def on_mount(self) -> None:
        """Make the harmless answer the one that Enter gives."""
        self.query_one("#keep").focus()

    def action_answer(self, stop: bool) -> None:
        """Give an answer by its key."""
        self.dismiss(stop)

    @on(Button.Pressed)
    def press(self, event: Button.Pressed) -> None:
        """Give an answer by its button."""
        self.dismiss(event.button.id == "stop")


def ask_stop(app: Dashboard, row: RunRow) -> None:
    """Ask whether to stop a run, and do so; what cannot be stopped from here is told instead."""
    app.run_worker(ask_if_possible(app, row), group="stop", exclusive=True)


async def ask_if_possible(app: Dashboard, row: RunRow) -> None:
    """Ask, unless the run cannot be stopped; what is held where is looked up on a thread."""
    try:
        companions = await aside(control.companions, app.paths, row)
    except MlbenchError as error:
        tell_refused(app)(str(error))
        return

    def answer(stop: bool | None) -> None:
        if stop:
            app.run_worker(stop_run(app, row), group="stop")

    app.push_screen(StopConfirm(row, companions), answer)


async def stop_run(app: Dashboard, row: RunRow) -> None:
    """Ask the run to stop, and tell how that went."""
    try:
        await aside(control.stop, app.paths, row)
    except MlbenchError as error:
        tell_refused(app)(str(error))
    else:
        app.notify(f"{row.run_id} saves its state and stops", markup=False)
