"""The plain loop: one task after another, differentiated by ``torch.autograd``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlbench.engines.base import (
    Clip,
    Engine,
    Inner,
    InnerGradient,
    Lesson,
    Objective,
    Predict,
    Rule,
    ThetaLoss,
)
from mlbench.engines.recompute import by_rows
from mlbench.native import in_use

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch

ROWS = 2**14  # fewer cost more calls from Python; more, memory


def autograd_gradient(loss: ThetaLoss, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
    """Differentiate one task's support loss with ``torch.autograd``."""
    if not constant:
        value = loss(theta)
        (gradient,) = torch.autograd.grad(value, theta, create_graph=True)
        return gradient, value
    with torch.enable_grad():
        leaf = theta.detach().requires_grad_()
        value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return gradient, value.detach()


class ByRows(Inner):
    """Autograd, and rules that declare it are run a few weights at a time.

    A rule that runs a network for every weight has by far more activations than the base-learner;
    they are made again in the backward pass, and are never there for all weights.

    Args:
        rows: How many weights at most are run together; ``None`` sets no bound.
    """

    def __init__(self, rows: int | None) -> None:
        super().__init__(autograd_gradient)
        self.rows = rows

    def cuts(self, rule: Rule, theta: Tensor) -> bool:
        """Return whether the rule is run in parts for so many weights."""
        if rule.per_weight is None or self.rows is None or (rule.native and in_use()):
            return False
        return len(theta) > self.rows

    def step(
        self,
        rule: Rule,
        meta: Parameters,
        state: Any,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, Any]:
        """Return what ``rule.step`` does."""
        if self.rows is None or not self.cuts(rule, theta):
            return super().step(rule, meta, state, theta, gradient, loss, t)
        return by_rows(rule, self.rows, meta, state, theta, gradient, loss, t)


class Loop(Engine):
    """One task after another: the reference, and the best for convolutions on a CPU.

    Args:
        rows: How many weights a rule that can be cut is run for together; ``None``: for all.
    """

    name = "loop"
    inner: Inner

    def __init__(self, rows: int | None = ROWS) -> None:
        self.inner = ByRows(rows)

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Add up one task after another."""
        total: Parameters = {}
        predictions = []
        with torch.no_grad():
            for index in range(tasks.task_count):
                found, prediction = lesson(meta, tasks.task(index), self.inner)
                total = {name: total[name] + g if total else g for name, g in found.items()}
                predictions.append(prediction)
        return total, torch.stack(predictions)

    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Clip
    ) -> tuple[Parameters, Tensor]:
        """Differentiate one task after another."""

        def lesson(
            meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
        ) -> tuple[Parameters, Tensor]:
            with torch.enable_grad():
                leaves = {name: value.detach().requires_grad_() for name, value in meta.items()}
                loss, prediction = objective(leaves, task, inner_gradient)
            gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
            return clip(dict(zip(leaves, gradients, strict=True))), prediction.detach()

        return self.total(lesson, meta, tasks)

    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Call one task after another."""
        with torch.no_grad():
            tasks = zip(*support, query_x, strict=True)
            return torch.stack(
                [predict(meta, type(support)(x, y), queries, self.inner) for x, y, queries in tasks]
            )
