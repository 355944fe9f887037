"""The loop: validate, meta-train, keep the best, meta-test; it yields events and prints nothing.

A run is resumable between any two events: :meth:`Run.state` holds everything, and a run that
starts from it goes on as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from mlbench.contract import Parameters, Split, TaskBatch
from mlbench.episodes import seed_for
from mlbench.errors import PluginError
from mlbench.run.blame import blaming
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, Phase, PhaseEnded, Validated
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment

EVALUATION_BATCH = {"regression": 250, "classification": 5}  # tasks between two events


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
        if self.algorithm.meta_batch < 1:
            raise PluginError(
                f"{self.spec.algorithm} has a meta-batch of {self.algorithm.meta_batch} tasks;"
                " give its meta_batch at_least=1"
            )
        self.progress = Progress()
        if state is None:
            self.meta = self.initial()
            self.best: Parameters = {}
        else:
            state = deepcopy(state)  # the optimiser would go on in the caller's tensors
            self.progress = progress_of(state)
            self.meta = self.placed(state["meta"])
            self.best = self.placed(state["best"])
        self.leaves = list(self.meta.values())
        with self.blaming("cannot make its optimiser"):
            self.optimiser = self.algorithm.optimiser(self.leaves)
        if state is not None:
            self.optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["generator"])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(state["device_generator"], self.device)
        else:
            torch.manual_seed(seed_for("plugins", self.spec.seed))

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
        if not any(map(math.isfinite, progress.losses)):
            raise PluginError(
                f"{self.spec.algorithm} has no finite validation loss after {progress.tasks}"
                " training tasks; lower its learning rates or its steps with --set, or mend the"
                " plugin"
            )
        best = self.better(score)
        if best:
            progress.best_score, progress.best_step = score, progress.step
            self.best = {name: value.clone() for name, value in self.meta.items()}
        progress.phase = "test" if progress.tasks >= budget.train_tasks else "train"
        progress.losses, progress.scores = [], []
        yield Validated(progress.step, progress.tasks, loss, score, best)

    def better(self, score: float) -> bool:
        """Return whether a score beats the best so far; NaN never does."""
        best = self.progress.best_score
        if best is None:
            return not math.isnan(score)
        return score > best if self.experiment.problem.higher_is_better else score < best

    def train(self) -> Iterator[Event]:
        """Take meta-steps until the next validation."""
        budget, progress = self.spec.budget, self.progress
        dataset = self.spec.train_dataset
        while progress.phase == "train":
            self.refuse_divergence()
            before, step = progress.tasks, progress.step
            stop = min(before + self.algorithm.meta_batch, budget.train_tasks)
            began = perf_counter()
            tasks, keys = self.draw(dataset, "train", before, stop)
            with self.blaming("cannot take a meta-step"):
                gradients, predictions = self.algorithm.meta_step(self.meta, tasks)
                check_gradients(gradients, self.meta)
            losses, scores = self.judge(predictions, tasks)
            self.descend(gradients)
            progress.tasks = stop
            due = stop // budget.validate_every > before // budget.validate_every
            if due or stop >= budget.train_tasks:
                progress.phase = "validation"
            seconds = self.spend("train", dataset, began)
            yield Episodes("train", dataset, before, step, losses, scores, seconds, keys)
        self.refuse_divergence()

    def refuse_divergence(self) -> None:
        """Stop where the last meta-gradient was not finite, in this attempt or an earlier one."""
        if self.progress.diverged:
            raise PluginError(
                f"{self.spec.algorithm} diverged: its meta-gradient is not finite before training"
                f" task {self.progress.tasks}; lower its learning rates or its steps with --set"
            )

    def descend(self, gradients: Parameters) -> None:
        """Take one step of the optimiser, unless a gradient is not finite."""
        progress = self.progress
        progress.diverged = not all(bool(torch.isfinite(g).all()) for g in gradients.values())
        if progress.diverged:
            return
        for name, gradient in gradients.items():
            self.meta[name].grad = gradient
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
        """Return what is tested: the best validated state, or what of it the protocol restores.

        Raises:
            PluginError: No validation had a finite mean.
        """
        if not self.best:
            raise PluginError(
                f"{self.spec.algorithm} has no validation whose mean score is finite, so there is"
                " nothing to test; lower its learning rates or its steps with --set"
            )
        restored = self.algorithm.released_restores
        if self.spec.protocol.restores == "everything" or restored is None:
            return self.best
        return {**self.meta, **{name: self.best[name] for name in restored}}

    def evaluate(
        self, meta: Parameters, phase: Phase, dataset: str, split: Split, count: int
    ) -> Iterator[Episodes]:
        """Meet the episodes of an evaluation that were not met yet."""
        progress = self.progress
        batch = EVALUATION_BATCH[self.spec.kind]
        while (first := len(progress.losses)) < count:
            began = perf_counter()
            tasks, keys = self.draw(dataset, split, first, min(first + batch, count))
            with self.blaming("cannot predict"):
                predictions = self.algorithm.predict(meta, tasks.support, tasks.query.x)
            losses, scores = self.judge(predictions, tasks)
            progress.losses += losses
            progress.scores += scores
            seconds = self.spend(phase, dataset, began)
            yield Episodes(phase, dataset, first, progress.step, losses, scores, seconds, keys)

    def draw(
        self, dataset: str, split: Split, start: int, stop: int
    ) -> tuple[TaskBatch, list[int]]:
        """Return episodes and their keys."""
        stream = self.experiment.stream(dataset, split)
        source = self.experiment.datasets[dataset]
        with blaming(type(source), "cannot draw episodes"):
            tasks = source.draw(
                stream, start, stop, device=self.device, dtype=self.experiment.dtype
            )
        return tasks, stream.keys(start, stop).tolist()

    def judge(self, predictions: object, tasks: TaskBatch) -> tuple[list[float], list[float]]:
        """Return losses and scores of a batch of tasks, one per task."""
        problem, target = self.experiment.problem, tasks.query.y
        outputs = 1 if self.spec.ways is None else self.spec.ways
        expected = (tasks.task_count, target.shape[1], outputs)
        if not isinstance(predictions, Tensor) or tuple(predictions.shape) != expected:
            what = type(predictions).__name__
            if isinstance(predictions, Tensor):
                what = f"a tensor of shape {tuple(predictions.shape)}"
            raise PluginError(
                f"{self.spec.algorithm} predicts {what} where (tasks, queries, outputs) ="
                f" {expected} is due; mend the plugin"
            )
        with torch.no_grad(), self.blaming("has predictions that cannot be judged"):
            losses = problem.losses(predictions, target)
            scores = problem.scores(predictions, target)
        scores = scores.where(torch.isfinite(losses), torch.nan)
        return losses.tolist(), scores.tolist()

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


def check_gradients(gradients: Mapping[str, object], meta: Parameters) -> None:
    """Refuse meta-gradients that do not fit the meta-parameters.

    Raises:
        TypeError: One is no tensor, or of another type.
        ValueError: There are none, or one has an unknown name or another shape.
    """
    if not gradients:
        raise ValueError("meta_step returns no gradients")
    for name, gradient in gradients.items():
        if name not in meta:
            raise ValueError(f"a gradient of {name!r}, but the parameters are {', '.join(meta)}")
        if not isinstance(gradient, Tensor) or gradient.dtype != meta[name].dtype:
            kind = gradient.dtype if isinstance(gradient, Tensor) else type(gradient).__name__
            raise TypeError(f"the gradient of {name} is {kind}, not a tensor of {meta[name].dtype}")
        if gradient.shape != meta[name].shape:
            raise ValueError(
                f"the gradient of {name} has shape {tuple(gradient.shape)},"
                f" not {tuple(meta[name].shape)}"
            )


def mean(values: list[float]) -> float:
    """Return the mean; NaN if one of them is NaN."""
    return sum(values) / len(values)
