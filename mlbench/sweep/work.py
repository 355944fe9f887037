"""What is to be done of a sweep, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mlbench.amounts import duration_text
from mlbench.run.device import EngineName
from mlbench.store.paths import StorePaths
from mlbench.sweep.estimate import Estimate, together
from mlbench.sweep.grid import Cell
from mlbench.sweep.job import Job, job_of
from mlbench.sweep.overview import Overview
from mlbench.sweep.planning import Standing, SweepRun, jobs_of
from mlbench.sweep.tally import Failure, Tally


class Work:
    """The runs of a sweep that are to be done, as jobs.

    Args:
        overview: How the runs stand.
        paths: Where they are kept.
        options: Of ``mlbench run``: what to compute on.
        engine: The one among these.
        retry_failed: Whether runs that failed are tried again.
        alone: Whether every run has a process of its own.
    """

    def __init__(
        self,
        overview: Overview,
        paths: StorePaths,
        options: Sequence[str],
        engine: EngineName,
        *,
        retry_failed: bool,
        alone: bool,
    ) -> None:
        self.overview = overview
        self.paths = paths
        self.options = options
        self.engine = engine
        self.retry_failed = retry_failed
        self.alone = alone

    @cached_property
    def todo(self) -> list[SweepRun]:
        """Return the runs to do; those that go on elsewhere are among them, to be waited for."""
        wanted: set[Standing] = {"to do", "interrupted", "running"}
        if self.retry_failed:
            wanted.add("failed")
        return [
            run
            for run in self.overview.runs
            if run.spec_hash is not None and self.overview.standing(run) in wanted
        ]

    @cached_property
    def jobs(self) -> list[Job]:
        """Return the jobs that do them, in the order in which they are to be begun."""
        return jobs_of(self.todo, self.job, self.engine, alone=self.alone)

    def job(self, cell: Cell, runs: list[tuple[int, str]]) -> Job:
        """Return the job that does some runs of a cell."""
        return job_of(cell.request, cell.label, runs, self.paths, self.options)

    def tally(self) -> Tally:
        """Return how the sweep stands before anything is done."""
        todo = {id(run) for run in self.todo}
        failures = [
            self.failure(run)
            for run in self.overview.runs
            if self.overview.standing(run) == "failed" and id(run) not in todo
        ]
        return Tally(done=self.overview.counts()["done"], failures=failures)

    def failure(self, run: SweepRun) -> Failure:
        """Return what is to be told of a run that failed before."""
        label = f"{run.cell.label}, seed {run.seed}"
        reason = self.overview.reason(run)
        if run.spec_hash is None:
            return Failure(label, reason, None)
        state = self.overview.states.get(run.spec_hash)
        command = self.job(run.cell, [(run.seed, run.spec_hash)]).command
        return Failure(label, reason, command, state.run_id if state else None)

    def estimate(self, places: int | None, *, gpu: bool | None) -> str:
        """Return how long the jobs take, in a line.

        Args:
            places: How many run at a time; ``None`` if that is not ours to say.
            gpu: Whether on GPUs; likewise.
        """
        known = Estimate(self.paths, gpu=gpu)
        experiments = {run.spec_hash: run.experiment for run in self.todo}
        times, unknown = [], 0
        for job in self.jobs:
            experiment = experiments[job.spec_hashes[0]]
            stacked = len(job.seeds) > 1
            each = None if experiment is None else known.seconds(experiment, stacked=stacked)
            if each is None:
                unknown += len(job.seeds)
            else:
                times.append(each * len(job.seeds))
        processes = "1 process" if len(self.jobs) == 1 else f"{len(self.jobs)} processes"
        jobs = f"{len(self.todo)} runs to do, in {processes}"
        if not self.todo:
            besides = "else " if self.overview.counts()["failed"] else ""
            return f"Nothing {besides}is left to do."
        if not times:
            return f"{jobs}; how long they take is not known: nothing like them was run here yet"
        lack = f"; {unknown} of them are like nothing that was run here yet" if unknown else ""
        if places is None:
            return f"{jobs}; by past runs {duration_text(sum(times))} one after another{lack}"
        return (
            f"{jobs}, {places} at a time; by past runs {duration_text(together(times, places))}"
            f"{lack}"
        )
