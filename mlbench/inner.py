"""Algorithm 9, once: MAML, the meta-learner LSTM and TURTLE differ in their update rule only.

From Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y; equations are
numbered as in chapter 3 of Huisman, 2024. For one task, from the initial weights θ⁽⁰⁾ = θ,

    θ⁽ᵗ⁺¹⁾ = rule(θ⁽ᵗ⁾, ∇L_support(θ⁽ᵗ⁾)),  t = 0 … T - 1

and Θ learns from the gradient of L_query(θ⁽ᵀ⁾). What every rule shares is here: the number of
steps, the order, both clippings and the engine that runs a batch of tasks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from mlbench.contract import (
    Algorithm,
    Batch,
    Hyper,
    MetaStep,
    Parameters,
    Problem,
    Randomness,
    TaskBatch,
    hp,
)
from mlbench.engines import Descent, Engine, Inner, InnerGradient, ThetaLoss

State = TypeVar("State")


@dataclass(frozen=True, kw_only=True)
class InnerHyper(Hyper):
    """What the loop around every update rule can be told."""

    train_steps: int = hp(5, "updates T per task in meta-training", at_least=1)
    test_steps: int = hp(5, "updates T per task in validation and test", at_least=1)
    order: int = hp(
        2, "2 differentiates through the updates, 1 takes gradients as constants", one_of=(1, 2)
    )
    clip: float | None = hp(10.0, "bound on each entry of the support gradient", above=0)
    meta_clip: float | None = hp(10.0, "bound on each entry of a task's gradient of θ", above=0)
    meta_batch: int = hp(2, "tasks J per meta-update", at_least=1, when={"regression": 1})
    meta_lr: float = hp(1e-3, "learning rate of Adam on Θ", above=0)


class UpdateRule(ABC, Generic[State]):
    """How one task's weights change, given the gradient of its support loss.

    A rule sees one task, as flat vectors of n weights, and is a pure function of Θ. What it
    remembers is ``None``, a tensor, or tuples, lists or dictionaries of these.
    """

    per_weight: ClassVar[tuple[str, ...] | None] = None
    """For a rule whose ``step`` treats every weight alone: the names of those of its
    meta-parameters that have a row per weight, ``()`` where none has. The loops may then call
    ``step`` for some of the weights at a time, with their rows of these, of the state, θ and the
    gradient: what a network makes of one weight is never in memory for all of them. ``None`` where
    weights depend on each other, or where ``step`` makes little of a weight."""

    native: ClassVar[bool] = False
    """Whether the network that ``step`` runs for every weight is one of :mod:`mlbench.native`."""

    def __init__(self, hyper: Any) -> None:
        self.hyper = hyper

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        """Return the rule's own meta-parameters, besides ``theta``; names are the rule's."""
        return {}

    @abstractmethod
    def start(self, meta: Parameters, theta: Tensor) -> State:
        """Return what the rule remembers before its first step."""

    @abstractmethod
    def step(
        self,
        meta: Parameters,
        state: State,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, State]:
        """Return θ⁽ᵗ⁺¹⁾ and what the rule remembers.

        Args:
            meta: Θ, by name.
            state: What the last step returned.
            theta: θ⁽ᵗ⁾, ``(n,)``.
            gradient: ∇L_support(θ⁽ᵗ⁾), clipped, ``(n,)``; a constant in first order.
            loss: L_support(θ⁽ᵗ⁾), a scalar.
            t: The step, from 0.
        """


class Update(NamedTuple):
    """One step of the inner loop.

    Args:
        loss: The support loss before it.
        gradient: The gradient of that loss, divided but not clipped, ``(n,)``.
        theta: The weights after it, ``(n,)``.
    """

    loss: Tensor
    gradient: Tensor
    theta: Tensor


def updates(
    rule: UpdateRule[Any],
    meta: Parameters,
    theta: Tensor,
    support_loss: Callable[[Parameters], ThetaLoss],
    inner_gradient: InnerGradient,
    *,
    steps: int,
    order: int,
    clip: float | None,
    divisor: int = 1,
) -> Iterator[Update]:
    """Yield every step of one task's inner loop.

    Args:
        rule: How weights change.
        meta: Θ, by name.
        theta: The weights at first, ``(n,)``.
        support_loss: From Θ to what is descended.
        inner_gradient: What the engine hands over. An operator that a technique made of it only
            differentiates; the updates are then taken, and kept for the backward pass, plainly.
        steps: How many updates.
        order: 1 takes gradients as constants, 2 differentiates through them.
        clip: Bound on each entry of a gradient.
        divisor: What a gradient is divided by before it is clipped.
    """
    inner = inner_gradient if isinstance(inner_gradient, Inner) else Inner(inner_gradient)
    descent = Descent(rule, meta, support_loss, order, clip, divisor)
    state = rule.start(meta, theta)
    for t in range(steps):
        theta, state, gradient, loss = inner.advance(descent, state, theta, t)
        yield Update(loss, gradient, theta)


class GradientBased(Algorithm):
    """Algorithm 9 around an update rule: a technique names its ``Rule`` and its ``Hyper``."""

    Rule: ClassVar[type[UpdateRule[Any]]]
    Hyper: ClassVar[type[Hyper]] = InnerHyper
    stackable = True
    hyper: InnerHyper

    def __init__(self, hyper: Any, problem: Problem, engine: Engine) -> None:
        super().__init__(hyper, problem, engine)
        self.rule = self.Rule(hyper)

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return θ and the rule's own meta-parameters."""
        theta = self.problem.learner.initialise(generator)
        return {"theta": theta, **self.rule.initialise(generator, theta)}

    def start(self, meta: Parameters, support: Batch) -> Tensor:
        """Return the weights from which one task is learnt, ``(n,)``."""
        return meta["theta"]

    def support_loss(self, meta: Parameters, support: Batch) -> ThetaLoss:
        """Return what one task's inner loop descends, as a function of its weights."""

        def loss(theta: Tensor) -> Tensor:
            return self.problem.loss(self.problem.learner(theta, support.x), support.y)

        return loss

    def divisor(self, support: Batch) -> int:
        """Return what a gradient of the support loss is divided by, before it is clipped."""
        return 1

    def answer(self, meta: Parameters, theta: Tensor, support_x: Tensor, query_x: Tensor) -> Tensor:
        """Return one task's predictions by adapted weights, ``(n, outputs)``."""
        return self.problem.answer(theta, support_x, query_x)

    def inner_loop(
        self,
        meta: Parameters,
        support: Batch,
        inner_gradient: InnerGradient,
        *,
        steps: int,
        order: int,
    ) -> Iterator[Update]:
        """Yield the updates that one task's support set asks for."""
        return updates(
            self.rule,
            meta,
            self.start(meta, support),
            lambda meta: self.support_loss(meta, support),
            inner_gradient,
            steps=steps,
            order=order,
            clip=self.hyper.clip,
            divisor=self.divisor(support),
        )

    def objective(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Tensor, Tensor]:
        """Return one task's query loss at θ⁽ᵀ⁾, and the query predictions."""
        steps, order = self.hyper.train_steps, self.hyper.order
        loop = self.inner_loop(meta, task.support, inner_gradient, steps=steps, order=order)
        prediction = self.answer(meta, last(loop).theta, task.support.x, task.query.x)
        return self.problem.loss(prediction, task.query.y), prediction

    def clip_meta(self, gradients: Parameters) -> Parameters:
        """Bound each entry of one task's gradient of θ; those of the rule's own are left alone."""
        bound = self.hyper.meta_clip
        if bound is None:
            return gradients
        return {**gradients, "theta": gradients["theta"].clamp(-bound, bound)}

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the meta-gradient, summed over the tasks."""
        return MetaStep(*self.engine.meta_gradients(self.objective, meta, tasks, self.clip_meta))

    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Adapt to each task and predict; no second-order graph is built."""
        return self.engine.predictions(self.predict_one, meta, support, query_x)

    def predict_one(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        """Return the predictions of one task, ``(n, outputs)``."""
        steps = self.hyper.test_steps
        loop = self.inner_loop(meta, support, inner_gradient, steps=steps, order=1)
        return self.answer(meta, last(loop).theta, support.x, query_x)


def last(loop: Iterator[Update]) -> Update:
    """Return the last update of an inner loop, keeping no other."""
    return deque(loop, maxlen=1).pop()
