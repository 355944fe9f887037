"""The screen that lists all runs and follows their progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui import amounts, clock
from mlbench.tui.run_list import RunList
from mlbench.tui.runs_columns import NEWEST, arranged, column, matching
from mlbench.tui.view import View


class RunsScreen(View):
    """One line per run, newest first."""

    HEADING = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Turn the order round", show=False),
        Binding("x", "stop", "Stop", show=False),
        Binding("c", "resume", "Resume", show=False),
        Binding("escape", "unfilter", "Filter no more", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.runs: tuple[RunRow, ...] = ()
        self.sorting = NEWEST
        self.words = ""

    def body(self) -> ComposeResult:
        """Lay out the list, the line on the run under the cursor, and the filter."""
        yield RunList()
        yield Static(id="nothing")
        with Vertical(id="about"):
            yield Static(id="which")
            yield Static(id="why")
        with Horizontal(id="filtering"):
            yield Static("/", id="slash")
            yield Input(placeholder="technique, data, status, run ...", id="filter", compact=True)
            yield Static(id="passed")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show how runs stand."""
        self.runs = snapshot.runs
        self.set_class(not self.runs, "-empty")
        if not self.runs:
            held = self.dashboard.snapshot.held
            told = Content(held) if held else what_to_type(self.dashboard.paths)
            self.query_one("#nothing", Static).update(told)
        elif self.focused is None:
            self.query_one(RunList).focus()
        self.show_runs()

    def show_runs(self) -> None:
        """Show the runs that the filter lets through, in order."""
        shown = arranged(matching(self.runs, self.words), *self.sorting)
        self.query_one(RunList).display_runs(shown, clock.now(), self.sorting)
        self.query_one("#passed", Static).update(f"{len(shown)} of {len(self.runs)}")

    @on(RunList.Highlighted)
    def tell_more(self, event: RunList.Highlighted) -> None:
        """Say of the run under the cursor what its line has no room for."""
        which, why = self.query_one("#which", Static), self.query_one("#why", Static)
        if event.run is not None:
            which.update(details(event.run))
            why.update(doing(event.run))
        else:
            which.update(f"No run has {self.words!r}; escape shows all {len(self.runs)}.")
            why.update("")

    @on(RunList.Opened)
    def open_run(self, event: RunList.Opened) -> None:
        """Go to the run."""
        self.dashboard.open_run(event.run.run_id)

    @on(RunList.HeadingClicked)
    def sort_by(self, event: RunList.HeadingClicked) -> None:
        """Sort by a column, or turn its order round."""
        self.sort_runs(event.key)

    def sort_runs(self, key: str) -> None:
        """Sort by a column; by that which it is sorted by already, the other way round."""
        known, descending = self.sorting
        self.sorting = (key, not descending if key == known else column(key).descending)
        self.show_runs()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.sort_runs(self.sorting[0])

    def action_sort(self) -> None:
        """Ask what to sort by."""
        from mlbench.tui.sort_screen import SortScreen

        def sort(key: str | None) -> None:
            if key is not None:
                self.sort_runs(key)

        self.app.push_screen(SortScreen(self.sorting), sort)

    def action_filter(self) -> None:
        """Open the filter."""
        self.show_filter(True)
        self.set_focus(self.query_one("#filter", Input))  # at once: the next keys are meant for it

    async def action_unfilter(self) -> None:
        """Take the filter away; without one, go back."""
        if self.query_one("#filtering").display:
            self.query_one("#filter", Input).value = ""
            self.show_filter(False)
            self.query_one(RunList).focus()
        else:
            await self.dashboard.action_back()

    def show_filter(self, shown: bool) -> None:
        """Show or hide the line that the filter is typed in."""
        self.query_one("#filtering").display = shown

    @on(Input.Changed, "#filter")
    def filter_runs(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self.words = event.value
        self.show_runs()

    @on(Input.Submitted, "#filter")
    def keep_filter(self) -> None:
        """Go back to the list, which stays filtered."""
        if not self.words:
            self.show_filter(False)
        self.query_one(RunList).focus()

    def action_stop(self) -> None:
        """Ask whether to stop the run under the cursor."""
        from mlbench.tui.stop_screen import ask_stop

        run = self.query_one(RunList).current
        if run is not None and run.status == "running":
            ask_stop(self.dashboard, run)
        elif run is not None:
            self.notify(f"{run.run_id} is not running", severity="warning", markup=False)

    def action_resume(self) -> None:
        """Go on with the run under the cursor."""
        from mlbench.tui.launches import resume_run

        run = self.query_one(RunList).current
        if run is not None:
            resume_run(self.dashboard, run)

    def export(self, folder: Path) -> list[Path]:
        """Write the runs that are seen as a table, in their order."""
        from mlbench.tui.export import export_runs

        return export_runs(folder, self.query_one(RunList).runs)

    def commands(self) -> Iterable[tuple[str, str, Callable[[], Any]]]:
        """Yield what can be done here."""
        yield "Filter", "Show only runs that have some words", self.action_filter
        yield "Sort", "Choose what runs are sorted by", self.action_sort
        yield "Stop the run", "The one under the cursor; it can be resumed", self.action_stop
        yield "Resume the run", "The one under the cursor, if it can go on", self.action_resume


def what_to_type(paths: StorePaths) -> Content:
    """Return what fills an empty store."""
    return Content.from_markup(
        "[b]There are no runs in $database yet.[/b]\n\n"
        "Press [b $text-accent]n[/] to start one, or type in another terminal\n\n"
        "  [$text-accent]mlbench run turtle --train shapes --eval glyphs --budget quick"
        "$option[/]\n\n"
        "It shows up here as soon as it begins. [b $text-accent]?[/] shows the keys.",
        database=str(paths.database),
        option=paths.option,
    )


def details(run: RunRow) -> Content:
    """Return what a run is, as far as its line has no room for it."""
    ways = "" if run.ways is None else f"{run.ways}-way "
    parts = [
        run.run_id,
        f"{ways}{run.shots}-shot, {run.queries} queries",
        f"{run.protocol}, {run.budget}",
    ]
    if run.attempts > 1:
        parts.append(f"attempt {run.attempts}")
    return Content("  ·  ".join(parts))


def doing(run: RunRow) -> Content:
    """Return why a run ended, or what it is doing."""
    if run.error:
        style = "$text-error" if run.status == "failed" else "$text-warning"
        return Content.styled(f"{run.status}: {run.error}", style)
    if run.status == "running":
        where = f"on {run.host} (PID {run.pid})"
        if run.phase is None:
            return Content(f"about to begin, {where}")
        return Content(
            f"{run.phase} on {run.phase_dataset}: {run.phase_done:,} of {run.phase_tasks:,}"
            f" episodes, {where}"
        )
    if run.status == "interrupted":
        return Content(
            f"interrupted after {run.tasks_trained:,} of {run.train_tasks:,} training tasks;"
            " it can be resumed"
        )
    took = None if run.ended is None else (run.ended - run.started).total_seconds()
    after = "" if took is None else f" after {amounts.duration(took)}"
    best = "" if run.best is None else f"; best validation {amounts.score(run.best, run.kind)}"
    return Content(f"{run.status}{after}{best}")
