"""Engines run one task's function over a batch of tasks.

The plain loop is the reference. Every other engine equals it, in float64 to 1e-10. A task's
function never loops over tasks, and takes the gradient of a support loss with the operator that
its engine hands it, since how to take that gradient goes with how the tasks are run. The
meta-gradient of a stack is ``vmap(grad(task))``, with the gradient inside: outer autograd over
``vmap`` over an inner ``grad`` is silently wrong in torch where batch-norm has an affine part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch

ThetaLoss = Callable[[Tensor], Tensor]
"""From weights θ, ``(n,)``, to a scalar loss."""


class InnerGradient(Protocol):
    """How a task's function differentiates its support loss."""

    def __call__(self, loss: ThetaLoss, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
        """Return ∇loss at θ, ``(n,)``, and the loss.

        Args:
            loss: The support loss.
            theta: Weights, ``(n,)``.
            constant: Whether outer differentiation sees a constant (first order) or a function
                of θ (second order).
        """


Objective = Callable[["Parameters", "TaskBatch", InnerGradient], tuple[Tensor, Tensor]]
"""From Θ and one task to the scalar query loss and the query predictions."""

Lesson = Callable[["Parameters", "TaskBatch", InnerGradient], "tuple[Parameters, Tensor]"]
"""From Θ and one task to what the task adds to the meta-gradient, and the query predictions."""

Predict = Callable[["Parameters", "Batch", Tensor, InnerGradient], Tensor]
"""From Θ, one task's support set and its query inputs to the query predictions."""

Clip = Callable[["Parameters"], "Parameters"]
"""From one task's meta-gradients to those that count."""


class Engine(ABC):
    """A way to run the function of one task over many."""

    name: ClassVar[str]

    @abstractmethod
    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Return what all tasks teach, summed, and the predictions, stacked; no graph is kept."""

    @abstractmethod
    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Clip
    ) -> tuple[Parameters, Tensor]:
        """Return ``clip(∇Θ objective)``, summed over tasks, and the predictions, stacked."""

    @abstractmethod
    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Return what ``predict`` gives for each task, stacked; no graph is kept."""


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


class Stacked(Engine):
    """All tasks at once, as ``vmap(grad(task))``: for small learners and for GPUs."""

    name = "stacked"

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Teach by every task at once, then sum over the stack."""

        def of_one(task: TaskBatch) -> tuple[Parameters, Tensor]:
            return lesson(meta, task, functional_gradient)

        with torch.no_grad():
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


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (Loop, Stacked, Mixed)}
