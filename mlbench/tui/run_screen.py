"""The screen of one run: its learning curve, results, settings and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import polars as pl
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlbench.report.palette import look
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui import amounts, clock, run_text
from mlbench.tui.curve import Curve, Drawing
from mlbench.tui.run_details import RunDetails, load_details, with_new_curve
from mlbench.tui.view import View

GROW_SECONDS = 2.0  # at least, between two looks at the curve of a run that goes on


class RunScreen(View):
    """Everything on one run.

    Args:
        run_id: Which.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "packages", "Packages"),
        Binding("x", "stop", "Stop"),
        Binding("c", "resume", "Resume"),
        Binding("escape", "app.back", "Back"),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.row: RunRow | None = None
        self.details: RunDetails | None = None
        self.whole: int | None = None  # the attempt at which everything was asked for last
        self.loaded_row: RunRow | None = None
        self.heard: dict[int, float] = {}
        self.packages = False

    @property
    def heading(self) -> str:
        """Return the name of the run."""
        return self.run_id

    def body(self) -> ComposeResult:
        """Lay out two columns where there is room for them, else one."""
        with VerticalScroll(id="page"):
            with Vertical(id="seen"):
                yield Static(id="head")
                with Horizontal(id="curves"):
                    yield Curve("training tasks", id="loss")
                    yield Curve("training tasks", id="score")
                yield Static(id="results", classes="section")
                yield Static(id="histogram", classes="section")
            with Vertical(id="facts"):
                yield Static(id="phases", classes="section")
                yield Static(id="worst", classes="section")
                yield Static(id="settings", classes="section")
                yield Static(id="provenance", classes="section")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show how the run stands; its validations are heard of before the database has them."""
        row = next((run for run in snapshot.runs if run.run_id == self.run_id), None)
        if row is None:
            return
        if self.row is not None and row.attempts != self.row.attempts:
            self.heard.clear()  # what came after the last saved state is void
        if (
            row.status == "running"
            and row.validation is not None
            and (self.row is None or row.validation != self.row.validation)
        ):
            self.heard[row.tasks_trained] = row.validation
        self.row = row
        self.query_one("#head", Static).update(run_text.head(row, clock.now()))
        self.draw_curves()
        self.refresh_bindings()

    def outdated(self, snapshot: Snapshot) -> bool:
        """Return whether this run, not just any, has got further since it was looked at."""
        row, loaded = self.row, self.loaded_row
        if row is None or loaded is None:
            return row is not None
        if position(row) == position(loaded):
            return False
        goes_on = row.status == loaded.status == "running"
        return not goes_on or monotonic() - self.asked_at > GROW_SECONDS

    def reload(self) -> None:
        """Ask again, and remember how the run stood."""
        self.loaded_row = self.row
        super().reload()

    def failed(self, reason: str) -> None:
        """Ask again in a while."""
        self.loaded_row = None
        super().failed(reason)

    def ask(self, stamp: int) -> RunDetails:
        """Ask for everything, or just for the curve of a run that goes on as before."""
        paths, known, row = self.dashboard.paths, self.details, self.loaded_row
        attempt = None if row is None or row.status != "running" else row.attempts
        if known is not None and attempt is not None and attempt == self.whole:
            return with_new_curve(paths, self.run_id, known)
        details = load_details(paths, self.run_id)
        self.whole = attempt
        return details

    def show(self, loaded: RunDetails) -> None:
        """Show everything."""
        self.details = loaded
        self.show_texts()
        self.draw_curves()

    def show_texts(self) -> None:
        """Show what is words and numbers."""
        details, row = self.details, self.row
        if details is None or row is None:
            return
        width = self.query_one("#histogram", Static).size.width or 60
        self.query_one("#results", Static).update(run_text.results(details, row))
        self.query_one("#histogram", Static).update(run_text.histograms(details, row, width))
        self.query_one("#phases", Static).update(run_text.phases(details))
        self.query_one("#worst", Static).update(run_text.worst(details, row))
        self.query_one("#worst", Static).display = not details.worst.is_empty()
        self.query_one("#settings", Static).update(run_text.hyperparameters(details))
        self.query_one("#provenance", Static).update(
            run_text.provenance(details, row, packages=self.packages)
        )

    def on_resize(self) -> None:
        """Fit the histogram."""
        self.call_after_refresh(self.show_texts)

    def draw_curves(self) -> None:
        """Draw training loss and validation score."""
        if self.row is None:
            return
        loss, score = drawings(self.row, self.details, self.heard)
        self.query_one("#loss", Curve).draw(loss)
        self.query_one("#score", Curve).draw(score)

    def action_packages(self) -> None:
        """Show packages and plugin files, or hide them."""
        self.packages = not self.packages
        self.show_texts()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop what runs, and to go on with what can go on."""
        if action in {"stop", "resume"}:
            if self.row is None:
                return False
            return (self.row.status == "running") == (action == "stop") and self.row.status not in {
                "finished",
                "diverged",
            }
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        """Ask whether to stop the run."""
        from mlbench.tui.stop_screen import ask_stop

        if self.row is not None:
            ask_stop(self.dashboard, self.row)

    def action_resume(self) -> None:
        """Go on with the run."""
        from mlbench.tui.launches import resume_run

        if self.row is not None:
            resume_run(self.dashboard, self.row)

    def export(self, folder: Path) -> list[Path]:
        """Write the learning curve as a figure, and all episodes as a table."""
        from mlbench.report.material import Material
        from mlbench.tui.export import export_run

        return export_run(folder, Material(self.dashboard.paths), self.run_id)

    def commands(self) -> Iterable[tuple[str, str, Callable[[], Any]]]:
        """Yield what can be done with this run."""
        if self.check_action("stop", ()):
            yield "Stop this run", "It saves its state and can be resumed", self.action_stop
        if self.check_action("resume", ()):
            yield "Resume this run", "Go on where it stopped", self.action_resume
        yield "Packages", "Show or hide packages and plugin files", self.action_packages


def position(row: RunRow) -> tuple[object, ...]:
    """Return what changes when a run has recorded something."""
    return (row.status, row.attempts, row.phase, row.phase_done, row.tasks_trained, row.validation)


def drawings(
    row: RunRow, details: RunDetails | None, heard: dict[int, float]
) -> tuple[Drawing, Drawing]:
    """Return the curves of training loss and of validation score.

    Args:
        row: How the run stands.
        details: What the database knows of it.
        heard: Validation scores that were seen as they came, by training tasks met; used where
            the database is behind.
    """
    loss: list[tuple[int, float]] = []
    score: list[tuple[int, float]] = []
    best: tuple[int, float] | None = None
    if details is not None:
        curve = details.curve
        train = curve.filter(pl.col("phase") == "train")
        validation = curve.filter(pl.col("phase") == "validation")
        loss = list(train.select("tasks", "loss").iter_rows())
        score = list(validation.select("tasks", "score").iter_rows())
        bests = validation.filter(pl.col("best")).select("tasks", "score").rows()
        best = bests[-1] if bests else None
    last = score[-1][0] if score else -1
    news = [(tasks, value) for tasks, value in sorted(heard.items()) if tasks > last]
    score += news
    best = next((point for point in news if point[1] == row.best), best)
    scale = 100 if row.kind == "classification" else 1
    unit = "%" if row.kind == "classification" else "MSE"
    scaled = [(tasks, scale * value) for tasks, value in score]
    loss_title = Content.assemble(
        ("training loss", "bold"),
        (" in nats" if row.kind == "classification" else " in MSE", run_text.FAINT),
    )
    told = "" if best is None else f"  ◆ {amounts.score(best[1], row.kind)} at {best[0]:,}"
    score_title = Content.assemble(("validation", "bold"), (f" in {unit}", run_text.FAINT), told)
    mark = None if best is None else (float(best[0]), scale * best[1])
    return (
        curve_of(row, loss_title, loss, None, noisy=True),
        curve_of(row, score_title, scaled, mark, noisy=False),
    )


def curve_of(
    row: RunRow,
    title: Content,
    points: list[tuple[int, float]],
    best: tuple[float, float] | None,
    *,
    noisy: bool,
) -> Drawing:
    """Return what is drawn of points."""
    return Drawing(
        title=title,
        x=tuple(float(x) for x, _ in points),
        y=tuple(float(y) for _, y in points),
        noisy=noisy,
        best=best,
        colour=look(row.algorithm).colour,
        tasks=row.train_tasks,
    )
