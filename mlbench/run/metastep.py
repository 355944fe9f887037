"""A whole meta-step as a pure function: meta-gradient, verdict and Adam, for one run or a stack.

A run alone leaves the update to ``torch.optim``. Here it is part of the function, so that the
function can be mapped over a stack of runs and compiled; no value is looked at in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from mlbench.contract import Algorithm, Parameters, TaskBatch
from mlbench.run import course
from mlbench.run.judgement import assess, check_predictions, check_step


class Condition(NamedTuple):
    """What a meta-step changes of one run; a stack of runs has a leading run axis on all of it.

    Args:
        meta: Θ.
        first: Adam's average of the gradients, by name.
        second: Adam's average of their squares.
        updates: How many there were, a float64 scalar.
        streak: How many meta-steps in a row were not finite, an int64 scalar.
    """

    meta: Parameters
    first: Parameters
    second: Parameters
    updates: Tensor
    streak: Tensor


class Met(NamedTuple):
    """What is known of the tasks of a meta-step.

    Args:
        losses: Query losses before the update, ``(tasks,)``.
        scores: Likewise.
        finite: Whether losses and gradients all were, so that there was an update; a scalar.
    """

    losses: Tensor
    scores: Tensor
    finite: Tensor


@dataclass(frozen=True)
class Adam:
    """Adam as ``torch.optim.Adam`` computes it, as a function (Kingma and Ba, 2015)."""

    lr: float
    betas: tuple[float, float]
    eps: float

    @classmethod
    def like(cls, optimiser: torch.optim.Optimizer) -> Self | None:
        """Return the function that an optimiser is; ``None`` if it is no plain Adam."""
        if type(optimiser) is not torch.optim.Adam or len(optimiser.param_groups) != 1:
            return None
        (group,) = optimiser.param_groups
        if group["weight_decay"] or group["amsgrad"] or group["maximize"]:
            return None
        return cls(float(group["lr"]), group["betas"], group["eps"])

    def step(
        self, value: Tensor, gradient: Tensor, first: Tensor, second: Tensor, updates: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the parameter and both averages after update number ``updates``, from 1."""
        beta1, beta2 = self.betas
        first = torch.lerp(first, gradient, 1 - beta1)
        second = beta2 * second + (1 - beta2) * gradient.square()
        rate = (self.lr / (1 - beta1**updates)).to(value.dtype)
        correction = (1 - beta2**updates).sqrt().to(value.dtype)
        return value - rate * first / (second.sqrt() / correction + self.eps), first, second


class MetaStepOfRun:
    """One meta-step of one run, as a function of its condition and a meta-batch.

    Args:
        algorithm: The technique.
        adam: Its optimiser.
        outputs: How many a prediction for a query has.
    """

    def __init__(self, algorithm: Algorithm, adam: Adam, outputs: int) -> None:
        self.algorithm = algorithm
        self.adam = adam
        self.outputs = outputs

    def __call__(self, condition: Condition, tasks: TaskBatch) -> tuple[Condition, Met]:
        """Return the condition afterwards, and what is known of the tasks.

        Where a loss or a gradient is not finite, and once that was so too often in a row, nothing
        is learnt.
        """
        meta = condition.meta
        taught = self.algorithm.meta_step(meta, tasks)
        check_step(taught, meta)
        target = tasks.query.y
        expected = (*target.shape[:2], self.outputs)
        predictions = check_predictions(taught.predictions, expected, self.algorithm.name)
        losses, scores = assess(self.algorithm.problem, predictions, target)
        learnable = [losses, *taught.gradients.values(), *taught.averages.values()]
        finite = all_finite(learnable)
        patient = condition.streak < course.PATIENCE
        learns = finite & patient
        after = {name: dict(getattr(condition, name)) for name in ("meta", "first", "second")}
        updates = condition.updates + learns
        for name, gradient in taught.gradients.items():
            before = meta[name], condition.first[name], condition.second[name]
            stepped = self.adam.step(before[0], gradient, *before[1:], updates)
            for part, new, old in zip(after.values(), stepped, before, strict=True):
                part[name] = torch.where(learns, new, old)
        for name, average in taught.averages.items():
            after["meta"][name] = torch.where(learns, average, meta[name])
        streak = torch.where(
            patient, torch.where(finite, 0, condition.streak + 1), condition.streak
        )
        return Condition(**after, updates=updates, streak=streak), Met(losses, scores, finite)


def all_finite(values: Sequence[Tensor]) -> Tensor:
    """Return whether every entry of every tensor is finite, as a scalar tensor."""
    return torch.stack([value.isfinite().all() for value in values]).all()
