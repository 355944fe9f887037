"""The plain loop: one task after another, differentiated by ``torch.autograd``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mlbench.engines.base import (
    Clip,
    Engine,
    InnerGradient,
    Lesson,
    Objective,
    Predict,
    ThetaLoss,
)

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch


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


class Loop(Engine):
    """One task after another: the reference, and the best for convolutions on a CPU."""

    name = "loop"

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Add up one task after another."""
        total: Parameters = {}
        predictions = []
        with torch.no_grad():
            for index in range(tasks.task_count):
                found, prediction = lesson(meta, tasks.task(index), autograd_gradient)
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
                [
                    predict(meta, type(support)(x, y), queries, autograd_gradient)
                    for x, y, queries in tasks
                ]
            )
