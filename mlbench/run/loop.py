"""The loop: validate, meta-train, keep the best, meta-test; it yields events and prints nothing.

A run is resumable between any two events: :meth:`Run.state` holds everything, and a run that
starts from it goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from math import isfinite
from time import perf_counter
from typing import Any

import torch

from mlbench.contract import MetaStep, Parameters, Randomness, Split, Stream, TaskBatch
from mlbench.engines.captured import Captured
from mlbench.episodes import seed_for
from mlbench.run.blame import blaming
from mlbench.run.course import Course
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, Phase
from mlbench.run.judgement import check_predictions, check_step, judge
from mlbench.run.progress import Progress, progress_of
from mlbench.run.restoring import check_fits, load_optimiser, restoring
from mlbench.run.setup import Experiment
from mlbench.run.start import check, initial, placed

EVALUATION_BATCH = {"regression": 250, "classification": 5}  # tasks between two events
EVALUATION_ON_A_GPU = {"regression": 250, "classification": 8}


class Run:
    """One run of an experiment, from its beginning or from a saved state.

    Args:
        experiment: What to run.
        execution: What to run it on.
        state: What :meth:`state` returned, to go on from there.
    """

    def __init__(
        self, experiment: Experiment, execution: Execution, state: dict[str, Any] | None = None
    ) -> None:
        self.experiment = experiment
        self.spec = experiment.spec
        self.device = execution.torch_device
        self.ahead: tuple[Any, TaskBatch | None] = None, None
        execution.apply()
        self.algorithm = experiment.algorithm(execution)
        if state is None:
            self.meta = initial(experiment, self.algorithm, self.device)
            self.course = Course(experiment, Progress(), {})
        else:
            fresh = initial(experiment, self.algorithm, self.device)
            with restoring(self.spec.algorithm):
                check_fits(state, fresh, self.spec.algorithm)
                state = deepcopy(state)  # the optimiser would go on in the caller's tensors
                self.meta = placed(state["meta"], experiment, self.device)
                best = placed(state["best"], experiment, self.device)
                self.course = Course(experiment, progress_of(state), best)
        check(experiment, self.algorithm, self.meta)
        self.leaves = list(self.meta.values())
        with self.blaming("cannot make its optimiser"):
            self.optimiser = self.algorithm.optimiser(self.leaves)
        if state is not None:
            load_optimiser(self.optimiser, state, self.spec.algorithm)
            with restoring(self.spec.algorithm):
                torch.set_rng_state(state["generator"])
                if self.device.type == "cuda" and "device_generator" in state:
                    torch.cuda.set_rng_state(state["device_generator"], self.device)
        else:
            torch.manual_seed(seed_for("plugins", self.spec.seed))

    def blaming(self, what: str) -> Any:
        """Tell what goes wrong inside the technique as the technique's."""
        return blaming(type(self.algorithm), what)

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs: tensors and plain values."""
        state = {
            "progress": vars(self.progress).copy(),
            "meta": self.meta,
            "best": self.course.best,
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["device_generator"] = torch.cuda.get_rng_state(self.device)
        return state

    @property
    def progress(self) -> Progress:
        """Return where the run is."""
        return self.course.progress

    @property
    def refused(self) -> list[str]:
        """Return why what could not be recorded on a GPU was not."""
        engine = self.algorithm.engine
        return engine.refused if isinstance(engine, Captured) else []

    def events(self) -> Iterator[Event]:
        """Yield what happens, until the last test has ended."""
        return map(self.course.counted, self.phases())

    def phases(self) -> Iterator[Event]:
        """Alternate validation and training, then test."""
        budget, course = self.spec.budget, self.course
        source = self.spec.train_dataset
        while self.progress.phase != "test":
            if self.progress.phase == "validation":
                count = budget.validation_tasks
                yield from self.evaluate(self.meta, "validation", source, "validation", count)
                yield course.validated(self.meta)
            else:
                yield from self.train()
        yield from course.end_training()
        for dataset in course.untested:
            meta = course.selected(self.meta)
            yield from self.evaluate(meta, "test", dataset, "test", budget.test_tasks)
            course.tested(dataset)
            yield from course.end("test", dataset)

    def train(self) -> Iterator[Event]:
        """Take meta-steps until the next validation."""
        progress = self.progress
        dataset, count = self.spec.train_dataset, self.experiment.train_tasks
        stream = self.experiment.training_stream(self.algorithm)
        width = 1 if stream.flat else self.algorithm.meta_batch
        while progress.phase == "train":
            before, step = progress.tasks, progress.step
            stop = min(before + width, count)
            began = perf_counter()
            tasks = self.draw(stream, dataset, before, stop)
            with self.blaming("cannot take a meta-step"):
                taught = self.algorithm.meta_step(self.meta, tasks)
                check_step(taught, self.meta)
            self.draw_ahead(stream, dataset, stop, min(stop + width, count))
            losses, scores = self.judge(taught.predictions, tasks, self.experiment.outputs(stream))
            self.course.learnt(stop, finite=self.learn(taught, losses))
            seconds = self.spend("train", dataset, began)
            keys = stream.keys(before, stop).tolist()
            steps = [step] * len(losses)
            yield Episodes("train", dataset, before, steps, losses, scores, seconds, keys)

    def learn(self, taught: MetaStep, losses: list[float]) -> bool:
        """Take one step of the optimiser, unless a loss or a gradient is not finite.

        Returns:
            Whether all were finite.
        """
        values = (*taught.gradients.values(), *taught.averages.values())
        largest = torch.nn.utils.get_total_norm([v for v in values if v.numel()], float("inf"))
        if not all(map(isfinite, losses)) or not isfinite(float(largest)):
            return False
        with torch.no_grad():
            for name, value in self.meta.items():
                value.grad = taught.gradients.get(name)
                if name in taught.averages:
                    value.copy_(taught.averages[name])
        with self.blaming("cannot step its optimiser"):
            self.optimiser.step()
        return True

    def evaluate(
        self, meta: Parameters, phase: Phase, dataset: str, split: Split, count: int
    ) -> Iterator[Episodes]:
        """Meet the episodes of an evaluation that were not met yet."""
        progress = self.progress
        sizes = EVALUATION_ON_A_GPU if self.device.type == "cuda" else EVALUATION_BATCH
        batch = sizes[self.spec.kind]
        stream = self.experiment.stream(dataset, split)
        key = stream.key_for(f"prediction, seed {self.spec.seed}")
        while (first := len(progress.losses)) < count:
            began = perf_counter()
            stop = min(first + batch, count)
            tasks = self.draw(stream, dataset, first, stop)
            randomness = Randomness(key, first, stop)
            with self.blaming("cannot predict"):
                predictions = self.algorithm.predict(meta, tasks.support, tasks.query.x, randomness)
            self.draw_ahead(stream, dataset, stop, min(stop + batch, count))
            losses, scores = self.judge(predictions, tasks, self.experiment.outputs(stream))
            self.course.evaluated(losses, scores)
            seconds = self.spend(phase, dataset, began)
            keys = stream.keys(first, stop).tolist()
            steps = [progress.step] * len(losses)
            yield Episodes(phase, dataset, first, steps, losses, scores, seconds, keys)

    def draw(self, stream: Stream, dataset: str, start: int, stop: int) -> TaskBatch:
        """Return episodes of a stream, which may have been drawn ahead."""
        asked = stream, dataset, start, stop
        (key, drawn), self.ahead = self.ahead, (None, None)
        if drawn is not None and key == asked:
            return drawn
        return self.experiment.draw(*asked, self.device)

    def draw_ahead(self, stream: Stream, dataset: str, start: int, stop: int) -> None:
        """Draw the next episodes while a GPU is at work on those before."""
        if self.device.type == "cuda" and start < stop:
            asked = stream, dataset, start, stop
            self.ahead = asked, self.experiment.draw(*asked, self.device)

    def judge(
        self, predictions: object, tasks: TaskBatch, outputs: int
    ) -> tuple[list[float], list[float]]:
        """Return losses and scores of a batch of tasks, one per task."""
        expected = (tasks.task_count, tasks.query.y.shape[1], outputs)
        found = check_predictions(predictions, expected, self.spec.algorithm)
        with self.blaming("has predictions that cannot be judged"):
            return judge(self.experiment.problem, found, tasks.query.y)

    def spend(self, phase: Phase, dataset: str, began: float) -> float:
        """Add the time since ``began`` to a phase; return it in seconds."""
        seconds = perf_counter() - began
        self.course.spend(phase, dataset, seconds)
        return seconds
