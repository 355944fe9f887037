"""Tasks stacked: one program for all of them, ``vmap(grad(task))``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from mlbench.engines.base import (
    Clip,
    Engine,
    InnerGradient,
    Lesson,
    Objective,
    Predict,
    ThetaLoss,
)
from mlbench.engines.loop import Loop

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch


def functional_gradient(loss: ThetaLoss, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
    """Differentiate inside ``vmap`` and ``grad``.

    A constant is detached before, so that nothing is recorded, and after, since the loss may
    depend on Θ by other ways than θ.
    """
    if not constant:
        gradient, value = grad_and_value(loss)(theta)
        return gradient, value
    gradient, value = grad_and_value(loss)(theta.detach())
    return gradient.detach(), value.detach()


class Stacked(Engine):
    """All tasks at once, as ``vmap(grad(task))``: for small learners and for GPUs.

    It is made of function transforms throughout, so that it can itself be transformed: a stack of
    runs is ``vmap`` over what this engine does for one. A single task has no ``vmap`` of its own.
    """

    name = "stacked"

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Teach by every task at once, then sum over the stack."""

        def of_one(task: TaskBatch) -> tuple[Parameters, Tensor]:
            return lesson(meta, task, functional_gradient)

        with torch.no_grad():
            if tasks.task_count == 1:
                found, prediction = of_one(tasks.task(0))
                return found, prediction.unsqueeze(0)
            stacked, predictions = vmap(of_one)(tasks)
            return {name: value.sum(0) for name, value in stacked.items()}, predictions

    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Clip
    ) -> tuple[Parameters, Tensor]:
        """Take every task's gradient inside."""

        def lesson(
            meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
        ) -> tuple[Parameters, Tensor]:
            gradients, prediction = grad(objective, has_aux=True)(meta, task, inner_gradient)
            return clip(gradients), prediction

        return self.total(lesson, meta, tasks)

    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Call the function once, on the stack."""

        def of_one(support: Batch, query_x: Tensor) -> Tensor:
            return predict(meta, support, query_x, functional_gradient)

        with torch.no_grad():
            predictions: Tensor = vmap(of_one)(support, query_x)
            return predictions


class Mixed(Engine):
    """Several tasks stacked, a single one looped: there, ``vmap`` costs more than it saves."""

    name = "mixed"

    def __init__(self) -> None:
        self.loop = Loop()
        self.stacked = Stacked()

    def for_tasks(self, count: int) -> Engine:
        """Return the engine that is faster for so many tasks."""
        return self.loop if count == 1 else self.stacked

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Choose by the size of the meta-batch."""
        return self.for_tasks(tasks.task_count).total(lesson, meta, tasks)

    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Clip
    ) -> tuple[Parameters, Tensor]:
        """Choose by the size of the meta-batch."""
        return self.for_tasks(tasks.task_count).meta_gradients(objective, meta, tasks, clip)

    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Choose by the number of tasks."""
        engine = self.for_tasks(len(query_x))
        return engine.predictions(predict, meta, support, query_x)
