"""Several runs that differ in their seed alone, computed as one program with a leading run axis.

Each has its own parameters, its own Adam and its own tasks, and ends as if it had been run alone:
the same numbers in float64 to rounding. What one does or becomes changes no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from mlbench.contract import Batch, Parameters, Randomness, Split, TaskBatch
from mlbench.errors import PluginError
from mlbench.run.blame import blaming
from mlbench.run.course import Course
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, Phase
from mlbench.run.judgement import assess, check_predictions
from mlbench.run.members import adam_of, alone, restored, stacked
from mlbench.run.metastep import Met, MetaStepOfRun
from mlbench.run.programs import Programs
from mlbench.run.setup import Experiment

BEAT_SECONDS = 0.3  # about how long meta-steps go on before what was met is told
BEAT_STEPS = 200  # and no more than these
EVALUATED_AT_ONCE = {"cuda": 15_000}  # tasks, those of all runs together; elsewhere 250

Beat = list[tuple[int, Event]]
"""What happened at once: events, one or more, each with the place of its run in the stack."""


class NoChance(Randomness):
    """Stands where random numbers are: runs of a stack would all get the same."""

    def uniform(self, *shape: int, like: Tensor) -> Tensor:
        """Refuse."""
        raise TypeError("leaves something to chance, so it cannot say stackable = True")


class Stack:
    """Runs of one experiment, from their beginning or from saved states at the same point.

    Args:
        experiments: What to run: one experiment with different seeds.
        execution: What to run them on.
        states: What :meth:`state` or that of a run alone returned; ``None`` to begin.
        compiled: Whether the meta-step is made machine code of.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        execution: Execution,
        states: Sequence[dict[str, Any] | None],
        *,
        compiled: bool,
    ) -> None:
        self.experiments = experiments
        self.experiment = experiments[0]
        self.spec = self.experiment.spec
        self.device = execution.torch_device
        execution.apply()
        plain = replace(execution, engine="stacked", compile="off")  # the stack is the program
        self.algorithm = self.experiment.algorithm(plain)
        self.ended: dict[int, Parameters] = {}  # where training ended that ended early
        self.step_seconds = BEAT_SECONDS  # of the last meta-steps
        found = [
            restored(experiment, self.algorithm, self.device, state)
            for experiment, state in zip(experiments, states, strict=True)
        ]
        self.courses = [course for course, _ in found]
        self.condition = stacked([condition for _, condition in found])
        adam = adam_of(self.algorithm, found[0][1].meta)
        if adam is None:
            raise PluginError(f"{self.spec.algorithm} has an optimiser other than Adam")
        outputs = self.experiment.outputs(self.experiment.training_stream(self.algorithm))
        function = vmap(MetaStepOfRun(self.algorithm, adam, outputs))
        self.programs = Programs(function, self.device, compiled=compiled)
        self.leave(range(len(self.courses)))

    def blaming(self, what: str) -> Any:
        """Tell what goes wrong inside the technique as the technique's."""
        return blaming(type(self.algorithm), what)

    def meta_of(self, run: int) -> Parameters:
        """Return Θ of one run; where its training ended, if that was before the others'."""
        if run in self.ended:
            return self.ended[run]
        return {name: value[run] for name, value in self.condition.meta.items()}

    def state(self, run: int) -> dict[str, Any]:
        """Return everything that going on with one run needs, in a stack or alone."""
        first, second = (
            {name: value[run] for name, value in average.items()}
            for average in (self.condition.first, self.condition.second)
        )
        return alone(self.courses[run], self.algorithm, self.meta_of(run), first, second)

    @property
    def refused(self) -> list[str]:
        """Return why what could not be recorded on a GPU was not."""
        return self.programs.refused

    def beats(self) -> Iterator[Beat]:
        """Yield what happens, until the last test of every run has ended."""
        for beat in filter(None, self.phases()):
            yield [(run, self.courses[run].counted(event)) for run, event in beat]

    def phases(self) -> Iterator[Beat]:
        """Alternate validation and training, then test."""
        budget, source = self.spec.budget, self.spec.train_dataset
        while runs := self.in_phase("train", "validation"):
            if self.courses[runs[0]].progress.phase == "validation":
                count = budget.validation_tasks
                yield from self.evaluate(
                    runs, self.condition.meta, "validation", source, "validation", count
                )
                yield [(run, self.courses[run].validated(self.meta_of(run))) for run in runs]
                self.leave(runs)
            else:
                yield self.train(runs)
                self.leave(runs)
        yield self.each(range(len(self.courses)), Course.end_training)
        for dataset in self.spec.test_datasets:
            runs = [run for run, course in enumerate(self.courses) if dataset in course.untested]
            if not runs:
                continue
            meta = self.tested_meta(runs)
            yield from self.evaluate(runs, meta, "test", dataset, "test", budget.test_tasks)
            for run in runs:
                self.courses[run].tested(dataset)
            yield self.each(runs, lambda course, name=dataset: course.end("test", name))

    def in_phase(self, *phases: Phase) -> list[int]:
        """Return the runs that are in one of some phases."""
        return [run for run, course in enumerate(self.courses) if course.progress.phase in phases]

    def each(self, runs: Iterable[int], told: Any) -> Beat:
        """Return what the courses of some runs tell."""
        return [(run, event) for run in runs for event in told(self.courses[run])]

    def leave(self, runs: Iterable[int]) -> None:
        """Keep Θ of those runs whose training has just ended; others may go on."""
        for run in runs:
            if self.courses[run].progress.phase == "test":
                self.ended[run] = {name: v.clone() for name, v in self.meta_of(run).items()}

    def tested_meta(self, runs: list[int]) -> Parameters:
        """Return what is tested of some runs, stacked over all; the others' is never looked at."""
        chosen = [
            course.selected(self.meta_of(run)) if run in runs else self.meta_of(run)
            for run, course in enumerate(self.courses)
        ]
        return {name: torch.stack([meta[name] for meta in chosen]) for name in chosen[0]}

    def train(self, runs: list[int]) -> Beat:
        """Take some meta-steps, no more than there are before the next validation."""
        width = self.algorithm.meta_batch
        before = self.courses[runs[0]].progress.tasks
        began = perf_counter()
        starts = self.starts(before, width)
        stop = min(starts[-1] + width, self.experiment.train_tasks)
        found = [self.step(tasks) for tasks in self.meta_batches(starts, stop, width)]
        columns = [torch.stack(parts, 1).tolist() for parts in zip(*found, strict=True)]
        seconds = perf_counter() - began
        self.step_seconds = seconds / len(starts)
        share = seconds / len(self.courses)
        return [
            (run, self.trained(run, starts, stop, [part[run] for part in columns], share))
            for run in runs
        ]

    def starts(self, before: int, width: int) -> list[int]:
        """Return the first task of each meta-step up to the next validation, or some of them.

        The last of a training may be narrower than the others, and is then by itself.
        """
        every, count = self.spec.budget.validate_every, self.experiment.train_tasks
        boundary = min((before // every + 1) * every, count)
        some = max(1, min(BEAT_STEPS, int(BEAT_SECONDS / self.step_seconds)))
        starts = list(range(before, boundary, width))[:some]
        narrower = len(starts) > 1 and starts[-1] + width > count
        return starts[:-1] if narrower else starts

    def meta_batches(self, starts: list[int], stop: int, width: int) -> Iterator[TaskBatch]:
        """Yield the meta-batch of each meta-step, ``(runs, tasks, ...)``.

        Every run has its own tasks; all of a beat are drawn at once.
        """
        dataset = self.spec.train_dataset
        drawn = []
        for experiment in self.experiments:
            stream = experiment.training_stream(self.algorithm)
            drawn.append(experiment.draw(stream, dataset, starts[0], stop, self.device))
        joined = stacked(drawn)
        for start in starts:
            place = slice(start - starts[0], min(start + width, stop) - starts[0])
            yield TaskBatch(*(Batch(*(part[:, place].contiguous() for part in p)) for p in joined))

    def step(self, tasks: TaskBatch) -> Met:
        """Take one meta-step of every run."""
        with self.blaming("cannot take a meta-step of a stack (stackable = False: of none)"):
            self.condition, met = self.programs(self.condition, tasks)
        return met

    def trained(
        self, run: int, starts: list[int], stop: int, met: list[list[Any]], seconds: float
    ) -> Episodes:
        """Take note of one run's meta-steps, as far as it goes on learning.

        Args:
            run: Which.
            starts: The first task of each meta-step.
            stop: One past the last task.
            met: Losses, scores and whether they were finite, a list of each meta-step's.
            seconds: This run's share of the time.
        """
        course = self.courses[run]
        steps: list[int] = []
        losses: list[float] = []
        scores: list[float] = []
        ends = [*starts[1:], stop]
        for end, loss, score, finite in zip(ends, *met, strict=True):
            steps += [course.progress.step] * len(loss)
            losses += loss
            scores += score
            course.learnt(end, finite=finite)
            if course.progress.phase == "test":
                break
        dataset = self.spec.train_dataset
        course.spend("train", dataset, seconds)
        stream = course.experiment.training_stream(self.algorithm)
        keys = stream.keys(starts[0], starts[0] + len(losses)).tolist()
        return Episodes("train", dataset, starts[0], steps, losses, scores, seconds, keys)

    def evaluate(
        self,
        runs: list[int],
        meta: Parameters,
        phase: Phase,
        dataset: str,
        split: Split,
        count: int,
    ) -> Iterator[Beat]:
        """Meet the episodes of an evaluation that were not met yet: the same for every run."""
        lead = self.courses[runs[0]].progress
        batch = max(1, EVALUATED_AT_ONCE.get(self.device.type, 250) // len(self.courses))
        stream = self.experiment.stream(dataset, split)
        while (first := len(lead.losses)) < count:
            began = perf_counter()
            stop = min(first + batch, count)
            tasks = self.experiment.draw(stream, dataset, first, stop, self.device)
            losses, scores = self.judged(meta, tasks, self.experiment.outputs(stream))
            seconds = (perf_counter() - began) / len(self.courses)
            keys = stream.keys(first, stop).tolist()
            beat: Beat = []
            for run in runs:
                course = self.courses[run]
                course.evaluated(losses[run], scores[run])
                course.spend(phase, dataset, seconds)
                steps = [course.progress.step] * len(keys)
                told = (steps, losses[run], scores[run], seconds, keys)
                beat.append((run, Episodes(phase, dataset, first, *told)))
            yield beat

    def judged(
        self, meta: Parameters, tasks: TaskBatch, outputs: int
    ) -> tuple[list[list[float]], list[list[float]]]:
        """Return losses and scores of the same tasks by every run."""
        expected = (tasks.task_count, tasks.query.y.shape[1], outputs)
        chance = NoChance(bytes(16), 0, 0)

        def of_run(meta: Parameters) -> tuple[Tensor, Tensor]:
            found = self.algorithm.predict(meta, tasks.support, tasks.query.x, chance)
            predictions = check_predictions(found, expected, self.algorithm.name)
            return assess(self.experiment.problem, predictions, tasks.query.y)

        with self.blaming("cannot predict"):
            losses, scores = vmap(of_run)(meta)
        return losses.tolist(), scores.tolist()
