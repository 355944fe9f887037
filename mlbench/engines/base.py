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
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

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


class Rule(Protocol):
    """An update rule, as engines know it; see :class:`mlbench.inner.UpdateRule`."""

    @property
    def per_weight(self) -> tuple[str, ...] | None:
        """Return which meta-parameters have a row per weight, if all weights are treated alone."""

    @property
    def native(self) -> bool:
        """Return whether its network may be machine code, which keeps no activations."""

    def step(
        self, meta: Parameters, state: Any, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, Any]:
        """Return the next weights, ``(n,)``, and what the rule remembers."""


@dataclass(frozen=True)
class Descent:
    """What an engine has to know of one task's inner loop to take its updates.

    Args:
        rule: How the weights change, given a gradient.
        meta: Θ, by name.
        loss_of: From Θ to the support loss, so that an update can be made again from another Θ.
        order: 1 takes gradients as constants, 2 differentiates through them.
        clip: Bound on each entry of a gradient.
        divisor: What a gradient is divided by before that.
    """

    rule: Rule
    meta: Parameters
    loss_of: Callable[[Parameters], ThetaLoss]
    order: int
    clip: float | None
    divisor: int

    @cached_property
    def loss(self) -> ThetaLoss:
        """Return the support loss, made once: what it makes of Θ may be costly."""
        return self.loss_of(self.meta)


Advance = tuple[Tensor, Any, Tensor, Tensor]
"""After one update: the weights, the rule's state, the gradient before clipping, the loss."""


class Inner:
    """What an engine hands to a task's function: called, it differentiates a support loss.

    It also takes a whole update, so that an engine can decide what of it is kept for the backward
    pass. As it is here, it does so with any operator, and keeps everything.
    """

    def __init__(self, gradient: InnerGradient) -> None:
        self.gradient = gradient

    def __call__(self, loss: ThetaLoss, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
        """Return ∇loss at θ, ``(n,)``, and the loss."""
        return self.gradient(loss, theta, constant=constant)

    def advance(self, descent: Descent, state: Any, theta: Tensor, t: int) -> Advance:
        """Take update ``t`` of one task's inner loop, from weights ``theta``, ``(n,)``."""
        constant = descent.order == 1
        return self.update(descent, descent.meta, descent.loss, state, theta, t, constant=constant)

    def update(
        self,
        descent: Descent,
        meta: Parameters,
        loss: ThetaLoss,
        state: Any,
        theta: Tensor,
        t: int,
        *,
        constant: bool,
    ) -> Advance:
        """Differentiate, divide, clip and step; of ``descent``, Θ and the loss are not used."""
        gradient, value = self(loss, theta, constant=constant)
        if descent.divisor != 1:
            gradient = gradient / descent.divisor
        bound = descent.clip
        clipped = gradient if bound is None else gradient.clamp(-bound, bound)
        theta, state = self.step(descent.rule, meta, state, theta, clipped, value, t)
        return theta, state, gradient, value

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
        return rule.step(meta, state, theta, gradient, loss, t)


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
