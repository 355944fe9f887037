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

from torch import Tensor

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
