"""What the screens on results share: choices on top, and what to say while there are none."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import Snapshot
from mlbench.tui.chooser import Chooser
from mlbench.tui.view import View


class ResultsView(View):
    """A screen on the results of runs that ended; one of several things to see is chosen on top."""

    CHOICES: ClassVar[tuple[str, ...]] = ()
    reason: str | None = None
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-normal-height"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "turn('shown', -1)", "Before", show=False),
    ]
    DEFAULT_CSS = """
    ResultsView {
        #choices { height: 1; padding: 0 1; }
        #busy { width: auto; color: $text-warning; display: none; }
        &.computing #busy { display: block; }
        #results { height: 1fr; }
        #conditions {
            height: 1; padding: 0 1; color: $text-muted;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
        #empty {
            height: 1fr; display: none; padding: 1 2;
            content-align: center middle; text-align: center;
        }
        &.empty #empty { display: block; }
        &.empty #results, &.empty #choices { display: none; }
        DataTable { background: $background; scrollbar-size: 1 1; }
        DataTable:focus { background-tint: $background 0%; }
        DataTable:focus > .datatable--header { background-tint: $background 0%; }
        VerticalScroll { scrollbar-size-vertical: 1; }
        DataTable > .datatable--header { background: $background; color: $text-muted; }
        DataTable > .datatable--fixed { background: $background; }
        DataTable > .datatable--even-row { background: $background; }
        DataTable > .datatable--odd-row { background: $panel 50%; }
    }
    """

    def choices(self) -> ComposeResult:
        """Yield the line of what can be chosen, and the text of an empty store."""
        with Horizontal(id="choices"):
            for name in self.CHOICES:
                yield Chooser(id=name)
            yield Static("computing …", id="busy")
        yield Static(id="empty")

    def chooser(self, name: str) -> Chooser:
        """Return one of the choices."""
        return self.query_one(f"#{name}", Chooser)

    def reload(self) -> None:
        """Load again; say so if nothing is to be seen until then."""
        self.set_class(not self.has_class("settled"), "computing")
        super().reload()

    def compute(self) -> None:
        """Load what was asked for just now, and say that it goes on."""
        self.remove_class("settled")
        self.reload()

    def settle(self, *, empty: bool, reason: str | None = None) -> None:
        """Say that nothing goes on, and what to do if there is nothing to see.

        Args:
            empty: Whether there is nothing to see.
            reason: Why; ``None`` if it is that no run has a result.
        """
        self.remove_class("computing")
        self.add_class("settled")
        self.set_class(empty, "empty")
        self.reason = reason
        self.show_snapshot(self.dashboard.snapshot)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Keep what is said of an empty store, or of one that cannot be read, up to date."""
        if snapshot.held and not self.has_class("settled"):
            self.settle(empty=True)
        elif self.has_class("empty"):
            text = self.reason or nothing_yet(snapshot, self.dashboard.paths)
            self.query_one("#empty", Static).update(Text(text))

    def failed(self, reason: str) -> None:
        """Say that the database could not be asked, and that nothing goes on."""
        self.remove_class("computing")
        super().failed(reason)

    def action_turn(self, name: str, by: int) -> None:
        """Go on to the next choice."""
        self.chooser(name).turn(by)


def nothing_yet(snapshot: Snapshot, paths: StorePaths) -> str:
    """Return what to do when no run has a result."""
    if snapshot.held:
        return snapshot.held
    ended: dict[Any, int] = {}
    for run in snapshot.runs:
        ended[run.status] = ended.get(run.status, 0) + 1
    if running := ended.get("running"):
        are = "run is" if running == 1 else "runs are"
        return f"No result yet: {running} {are} under way.\nIt is here when one has ended."
    advice = (
        "n fills in a form and starts a run; or type, in another terminal,\n\n"
        f"mlbench run maml --train sine --budget smoke{paths.option}"
    )
    if failed := ended.get("failed"):
        return f"No result yet, and {failed} failed: 1 shows the reasons.\n\n{advice}"
    return f"No result yet.\n\n{advice}"
