"""The loop: validate, meta-train, keep the best, meta-test; it yields events and prints nothing.

A run is resumable between any two events: :meth:`Run.state` holds everything, and a run that
starts from it goes on as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from time import perf_counter
from typing import Any

import torch

from mlbench.contract import MetaStep, Parameters, Randomness, Split, Stream, TaskBatch
from mlbench.episodes import seed_for
from mlbench.errors import MisuseError, PluginError
from mlbench.run.blame import blaming
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, Phase, PhaseEnded, Validated
from mlbench.run.judgement import check_predictions, check_step, judge
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment

EVALUATION_BATCH = {"regression": 250, "classification": 5}  # tasks between two events
PATIENCE = 50  # meta-steps in a row that are not finite, before a run is said to have diverged


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
        execution.apply()
        self.algorithm = experiment.algorithm(execution)
        self.progress = Progress()
        if state is None:
            self.meta = self.initial()
            self.best: Parameters = {}
        else:
            state = deepcopy(state)  # the optimiser would go on in the caller's tensors
            self.progress = progress_of(state)
            self.meta = self.placed(state["meta"])
            self.best = self.placed(state["best"])
        self.check()
        self.leaves = list(self.meta.values())
        with self.blaming("cannot make its optimiser"):
            self.optimiser = self.algorithm.optimiser(self.leaves)
        if state is not None:
            self.optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["generator"])
            if self.device.type == "cuda" and "device_generator" in state:
                torch.cuda.set_rng_state(state["device_generator"], self.device)
        else:
            torch.manual_seed(seed_for("plugins", self.spec.seed))

    def check(self) -> None:
        """Refuse what cannot be run.

        Raises:
            MlbenchError: The technique has no meta-batch, or lacks what is to be restored, or the
                data are too few for its flat batches.
        """
        if self.algorithm.meta_batch < 1:
            raise PluginError(
                f"{self.spec.algorithm} has a meta-batch of {self.algorithm.meta_batch} tasks;"
                " give its meta_batch at_least=1"
            )
        if self.spec.protocol.restores == "theta" and "theta" not in self.meta:
            raise MisuseError(
                f"{self.spec.algorithm} has no θ that protocol.restores could bring back;"
                f" it has {', '.join(self.meta)}; --set protocol.restores=everything or nothing"
            )
        source = self.experiment.datasets[self.spec.train_dataset]
        if self.algorithm.training == "batches" and source.train_classes is None:
            raise MisuseError(
                f"{self.spec.algorithm} trains on flat batches, and {source.name} does not say how"
                " many classes it has to train on; give it a property train_classes"
            )
        with blaming(type(source), "cannot check episodes"):
            source.check(self.experiment.training_stream(self.algorithm))

    def initial(self) -> Parameters:
        """Return the meta-parameters to start from; the seed decides them."""
        generator = torch.Generator().manual_seed(seed_for("initialisation", self.spec.seed))
        with self.blaming("cannot draw its initial meta-parameters"):
            return self.placed(self.algorithm.initialise(generator))

    def placed(self, parameters: Parameters) -> Parameters:
        """Return copies on this run's device, in its precision."""
        dtype = self.experiment.dtype
        return {
            name: value.detach().to(self.device, dtype, copy=True)
            for name, value in parameters.items()
        }

    def blaming(self, what: str) -> Any:
        """Tell what goes wrong inside the technique as the technique's."""
        return blaming(type(self.algorithm), what)

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs: tensors and plain values."""
        state = {
            "progress": vars(self.progress).copy(),
            "meta": self.meta,
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["device_generator"] = torch.cuda.get_rng_state(self.device)
        return state

    def events(self) -> Iterator[Event]:
        """Yield what happens, until the last test has ended."""
        for event in self.phases():
            self.progress.position += event.positions
            yield event

    def phases(self) -> Iterator[Event]:
        """Alternate validation and training, then test."""
        while self.progress.phase != "test":
            if self.progress.phase == "validation":
                yield from self.validate()
            else:
                yield from self.train()
        yield from self.end("train", self.spec.train_dataset)
        yield from self.end("validation", self.spec.train_dataset)
        if self.progress.best_score is None:
            return
        for dataset in self.spec.test_datasets:
            if dataset not in self.progress.tested:
                yield from self.test(dataset)

    def validate(self) -> Iterator[Event]:
        """Validate; keep the meta-parameters if the mean score is strictly better."""
        dataset, budget = self.spec.train_dataset, self.spec.budget
        yield from self.evaluate(
            self.meta, "validation", dataset, "validation", budget.validation_tasks
        )
        progress = self.progress
        loss, score = mean(progress.losses), mean(progress.scores)
        best = self.better(score)
        if best:
            progress.best_score, progress.best_step = score, progress.step
            self.best = {name: value.clone() for name, value in self.meta.items()}
        if progress.tasks and not any(map(math.isfinite, progress.losses)):
            self.diverge("has no finite validation loss")
        ended = progress.diverged or progress.tasks >= self.experiment.train_tasks
        if ended and progress.best_score is None:
            self.diverge("has no validation whose mean score is finite")
        progress.phase = "test" if ended else "train"
        progress.losses, progress.scores = [], []
        yield Validated(progress.step, progress.tasks, loss, score, best)

    def diverge(self, what: str) -> None:
        """Note why training ends here, unless a reason was noted before."""
        progress = self.progress
        if progress.diverged is None:
            progress.diverged = (
                f"{self.spec.algorithm} {what} after {progress.step} meta-updates, at training task"
                f" {progress.tasks}; lower its learning rates or its steps with --set"
            )

    def better(self, score: float) -> bool:
        """Return whether a score beats the best so far; NaN never does."""
        best = self.progress.best_score
        if best is None:
            return not math.isnan(score)
        return score > best if self.experiment.problem.higher_is_better else score < best

    def train(self) -> Iterator[Event]:
        """Take meta-steps until the next validation."""
        budget, progress = self.spec.budget, self.progress
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
            losses, scores = self.judge(taught.predictions, tasks, self.outputs(stream))
            progress.tasks = stop
            self.learn(taught, losses)
            if stop >= count and progress.step == 0:
                self.diverge("had no finite meta-gradient at all")
            due = stop // budget.validate_every > before // budget.validate_every
            if due or stop >= count:
                progress.phase = "validation"
            elif progress.diverged:
                progress.phase = "test"
            seconds = self.spend("train", dataset, began)
            keys = stream.keys(before, stop).tolist()
            yield Episodes("train", dataset, before, step, losses, scores, seconds, keys)

    def learn(self, taught: MetaStep, losses: list[float]) -> None:
        """Take one step of the optimiser; skip it where a loss or a gradient is not finite."""
        progress = self.progress
        values = (*taught.gradients.values(), *taught.averages.values())
        finite = all(map(math.isfinite, losses)) and all(bool(g.isfinite().all()) for g in values)
        if not finite:
            progress.nonfinite += 1
            progress.skipped += 1
            if progress.nonfinite == PATIENCE:
                self.diverge(f"had no finite meta-gradient for {PATIENCE} meta-steps")
            return
        progress.nonfinite = 0
        with torch.no_grad():
            for name, value in self.meta.items():
                value.grad = taught.gradients.get(name)
                if name in taught.averages:
                    value.copy_(taught.averages[name])
        with self.blaming("cannot step its optimiser"):
            self.optimiser.step()
        progress.step += 1

    def test(self, dataset: str) -> Iterator[Event]:
        """Meta-test the selected meta-parameters on one data set."""
        meta = self.selected()
        yield from self.evaluate(meta, "test", dataset, "test", self.spec.budget.test_tasks)
        self.progress.tested[dataset] = self.progress.losses, self.progress.scores
        self.progress.losses, self.progress.scores = [], []
        yield from self.end("test", dataset)

    def selected(self) -> Parameters:
        """Return what is tested: the best validated state, or what of it the protocol restores."""
        match self.spec.protocol.restores:
            case "everything":
                return self.best
            case "theta":
                return {**self.meta, "theta": self.best["theta"]}
            case "nothing":
                return self.meta

    def evaluate(
        self, meta: Parameters, phase: Phase, dataset: str, split: Split, count: int
    ) -> Iterator[Episodes]:
        """Meet the episodes of an evaluation that were not met yet."""
        progress = self.progress
        batch = EVALUATION_BATCH[self.spec.kind]
        stream = self.experiment.stream(dataset, split)
        key = stream.key_for(f"prediction, seed {self.spec.seed}")
        while (first := len(progress.losses)) < count:
            began = perf_counter()
            stop = min(first + batch, count)
            tasks = self.draw(stream, dataset, first, stop)
            randomness = Randomness(key, first, stop)
            with self.blaming("cannot predict"):
                predictions = self.algorithm.predict(meta, tasks.support, tasks.query.x, randomness)
            losses, scores = self.judge(predictions, tasks, self.outputs(stream))
            progress.losses += losses
            progress.scores += scores
            seconds = self.spend(phase, dataset, began)
            keys = stream.keys(first, stop).tolist()
            yield Episodes(phase, dataset, first, progress.step, losses, scores, seconds, keys)

    def draw(self, stream: Stream, dataset: str, start: int, stop: int) -> TaskBatch:
        """Return episodes of a stream."""
        source = self.experiment.datasets[dataset]
        with blaming(type(source), "cannot draw episodes"):
            return source.draw(stream, start, stop, device=self.device, dtype=self.experiment.dtype)

    def outputs(self, stream: Stream) -> int:
        """Return how many outputs a prediction for a query of this stream has."""
        classes = self.experiment.problem.train_classes if stream.flat else stream.ways
        return classes or 1

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
        key = f"{phase} {dataset}"
        self.progress.seconds[key] = self.progress.seconds.get(key, 0.0) + seconds
        return seconds

    def end(self, phase: Phase, dataset: str) -> Iterator[PhaseEnded]:
        """Yield the end of a phase, unless an earlier attempt did."""
        key = f"{phase} {dataset}"
        if key not in self.progress.ended:
            self.progress.ended.append(key)
            yield PhaseEnded(phase, dataset, self.progress.seconds.get(key, 0.0))


def mean(values: list[float]) -> float:
    """Return the mean; NaN if one of them is NaN."""
    return sum(values) / len(values)
