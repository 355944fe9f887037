"""How a run is followed on the terminal: a bar where there is one, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from mlbench.cli.output import narrate

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from mlbench.run.events import Event
    from mlbench.run.progress import Progress
    from mlbench.run.setup import Experiment
    from mlbench.session.drive import Observer

LINE_SECONDS = 30.0  # between two lines of a phase, where there is no terminal


def observer() -> Observer:
    """Return what fits where narration goes."""
    return BarObserver() if sys.stderr.isatty() else LineObserver()


def tell(line: str) -> None:
    """Narrate; nobody listening is no reason to stop a run."""
    with suppress(OSError):
        narrate(line)


def opening(experiment: Experiment, run_id: str, progress: Progress) -> str:
    """Return the line that begins an attempt."""
    spec = experiment.spec
    data = " → ".join((spec.train_dataset, ", ".join(spec.test_datasets)))
    task = f"{spec.shots}-shot" if spec.ways is None else f"{spec.ways}-way {spec.shots}-shot"
    size = experiment.problem.learner.size
    tasks = (
        f" of {experiment.train_tasks} tasks" if experiment.train_tasks else ", no meta-training"
    )
    going_on = f", going on at task {progress.tasks}" if progress.position else ""
    return (
        f"{run_id}: {spec.algorithm}, {data}, {task}, seed {spec.seed}, {spec.budget.name}"
        f" budget{tasks}, {size} weights{going_on}"
    )


def score_text(kind: str, score: float | None) -> str:
    """Return a score as people read it."""
    if score is None:
        return "-"
    return f"accuracy {100 * score:.1f} %" if kind == "classification" else f"MSE {score:.3f}"


class Counter:
    """Counts the tasks of the phase under way."""

    def __init__(self, experiment: Experiment) -> None:
        budget = experiment.spec.budget
        self.totals = {
            "train": experiment.train_tasks,
            "validation": budget.validation_tasks,
            "test": budget.test_tasks,
        }
        self.phase = ""
        self.began = self.latest = monotonic()
        self.first = 0
        self.done = 0
        self.total = 0

    def see(self, event: Event) -> bool:
        """Take an event in; return whether it begins a phase."""
        from mlbench.run.events import Episodes

        before, self.latest = self.latest, monotonic()
        if not isinstance(event, Episodes):
            return False
        name = f"{event.phase} {event.eval_dataset}"
        begins = name != self.phase or event.first == 0
        if begins:
            # what this event tells of took place since the one before it
            self.phase, self.began, self.first = name, before, event.first
            self.total = self.totals[event.phase]
        self.done = event.first + len(event.losses)
        return begins

    @property
    def rate(self) -> float:
        """Return tasks per second since the phase began here."""
        return (self.done - self.first) / max(monotonic() - self.began, 1e-9)


class LineObserver:
    """A line at the start, at each validation, where it diverges, and every half minute."""

    def begin(self, experiment: Experiment, run_id: str, progress: Progress) -> None:
        """Say what runs."""
        narrate(opening(experiment, run_id, progress))
        self.kind = experiment.spec.kind
        self.counter = Counter(experiment)
        self.diverged = progress.diverged is not None
        self.told = monotonic()

    def see(self, event: Event, progress: Progress) -> None:
        """Say what happened, now and then."""
        from mlbench.run.events import Episodes, PhaseEnded, Validated

        counter = self.counter
        counter.see(event)
        lines = []
        if isinstance(event, Validated):
            mark = "  best so far" if event.best else ""
            lines.append(
                f"task {event.tasks}: validation {score_text(self.kind, event.score)}{mark}"
            )
        elif isinstance(event, PhaseEnded) and event.phase == "test":
            lines.append(f"tested on {event.eval_dataset} in {event.seconds:.1f} s")
        elif isinstance(event, Episodes) and monotonic() - self.told > LINE_SECONDS:
            left = (counter.total - counter.done) / counter.rate
            lines.append(
                f"{counter.phase}: {counter.done}/{counter.total} tasks,"
                f" {counter.rate:.1f} tasks/s, {left:.0f} s left"
            )
        if progress.diverged and not self.diverged:
            self.diverged = True
            lines.append(f"task {progress.tasks}: diverged, training ends here")
        for line in lines:
            narrate(f"  {line}")
            self.told = monotonic()

    def end(self) -> None:
        """Say nothing more."""


class BarObserver:
    """A progress bar per phase, with tasks per second, what is left, and the last validation."""

    bars: Bars | None = None
    task: TaskID | None = None

    def begin(self, experiment: Experiment, run_id: str, progress: Progress) -> None:
        """Say what runs and start the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        narrate(opening(experiment, run_id, progress))
        self.kind = experiment.spec.kind
        self.counter = Counter(experiment)
        self.validation = ""
        self.bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            # without room, it is the bar that gets shorter, and not the numbers
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[validation]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self.bars.start()

    def see(self, event: Event, progress: Progress) -> None:
        """Move the bar."""
        from mlbench.run.events import Validated

        if self.bars is None:
            return
        counter = self.counter
        if counter.see(event):
            if self.task is not None:
                self.bars.remove_task(self.task)
            self.task = self.bars.add_task(
                counter.phase,
                total=counter.total,
                completed=counter.first,
                rate="",
                validation=self.validation,
            )
        if isinstance(event, Validated):
            self.validation = f"validation {score_text(self.kind, event.score)}"
        diverged = "diverged" if progress.diverged else ""
        if self.task is not None:
            self.bars.update(
                self.task,
                completed=counter.done,
                rate=f"{counter.rate:.1f} tasks/s",
                validation=", ".join(filter(None, (diverged, self.validation))),
            )

    def end(self) -> None:
        """Take the bar away."""
        if self.bars is not None:
            self.bars.stop()
