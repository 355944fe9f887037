"""How a sweep is followed on the terminal: bars where there is one, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

import click

from mlbench.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from mlbench.sweep.pool import Active, View
    from mlbench.sweep.tally import Tally

LINE_SECONDS = 60.0  # between two lines, where there is no terminal
WIDTH = 24  # of the overall bar
LABEL = 60  # characters of a job's label


def view(total: int) -> View:
    """Return what fits where narration goes; ``total`` counts the runs of the sweep."""
    return BarView(total) if sys.stderr.isatty() else LineView(total)


def share(active: Active) -> float:
    """Return how much of a job is done, in [0, 1]."""
    return sum(row.done for row in active.rows) / len(active.job.spec_hashes)


def seconds_left(active: Active) -> float | None:
    """Return how long a job will take, by the rate of its runs."""
    left = [row.seconds_left for row in active.rows]
    if not left or None in left:
        return None
    return sum(seconds for seconds in left if seconds is not None)


def line(active: Active) -> str:
    """Return what a job does at the moment."""
    job = active.job
    name = job.label if len(job.seeds) > 1 else f"{job.label}, seed {job.seeds[0]}"
    several = f" ({len(job.seeds)} runs as one)" if len(job.seeds) > 1 else ""
    return printable(f"{name[:LABEL]}{several}")


def remark(active: Active) -> str:
    """Return the phase of a job, and its last validation."""
    if active.reason is not None:
        return f"stopping: {printable(active.reason)}"
    if not active.rows:
        return "starting"
    row = active.rows[0]
    if row.validation is None:
        return row.phase or "starting"
    if row.kind == "classification":
        return f"{row.phase}, validation {100 * row.validation:.1f} %"
    return f"{row.phase}, validation MSE {row.validation:.3f}"


class LineView:
    """A line a minute: how many runs are done, and what goes on."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.told = monotonic()
        self.known = -1

    def show(self, active: Sequence[Active], tally: Tally) -> None:
        """Say how things stand, now and then."""
        if monotonic() - self.told < LINE_SECONDS and tally.done == self.known:
            return
        self.told, self.known = monotonic(), tally.done
        if self.known == self.total:
            return
        failed = f", {len(tally.failures)} failed" if tally.failures else ""
        click.echo(f"{tally.done} of {self.total} runs done{failed}", err=True)
        for one in active:
            click.echo(f"  {line(one)}: {100 * share(one):.0f} %, {remark(one)}", err=True)

    def end(self) -> None:
        """Say nothing more."""


class BarView:
    """A bar over all runs, and one for each job under way."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.bars: Bars | None = None
        self.overall: TaskID | None = None
        self.tasks: dict[int, TaskID] = {}

    def begin(self) -> Bars:
        """Make the bars."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=WIDTH),
            TaskProgressColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[remark]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        bars.start()
        return bars

    def show(self, active: Sequence[Active], tally: Tally) -> None:
        """Move the bars."""
        from mlbench.amounts import duration_text

        bars = self.bars = self.bars or self.begin()
        if self.overall is None:
            self.overall = bars.add_task("all runs", total=self.total, left="", remark="")
        failed = f", {len(tally.failures)} failed" if tally.failures else ""
        under_way = sum(share(one) * len(one.job.spec_hashes) for one in active)
        bars.update(
            self.overall,
            completed=tally.done + under_way,
            remark=f"{tally.done} of {self.total} runs done{failed}",
        )
        for pid in set(self.tasks) - {one.launch.pid for one in active}:
            bars.remove_task(self.tasks.pop(pid))
        for one in active:
            pid = one.launch.pid
            if pid not in self.tasks:
                self.tasks[pid] = bars.add_task(line(one), total=1.0, left="", remark="")
            left = seconds_left(one)
            bars.update(
                self.tasks[pid],
                completed=share(one),
                left="" if left is None else f"{duration_text(left)} left",
                remark=remark(one),
            )

    def end(self) -> None:
        """Take the bars away."""
        if self.bars is not None:
            self.bars.stop()
