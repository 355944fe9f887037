"""Checks of meta-gradients: their order, and whether they are gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mlbench.check.finding import BreachError, NotDueError
from mlbench.check.problems import Technique
from mlbench.check.steps import step
from mlbench.contract import Algorithm, Parameters
from mlbench.hyper import Limits
from mlbench.learners import Learner
from mlbench.normalise import Normaliser, by_batch

SLOPE = 1e-4  # of finite differences, relative
STRIDES = (1e-6, 1e-7, 1e-8)
DIRECTIONS = 3
SHAKE = 0.02  # how far parameters are moved off the values that they are initialised with


def unclipped(technique: Technique, order: int) -> Algorithm:
    """Return the technique of an order, as far as it has one, without bounds on gradients."""
    return technique.build(technique.hyper(order=order, clip=None, meta_clip=None))


def check_order(technique: Technique) -> None:
    """Compare first order with second, and let first order meet what has no second derivative."""
    orders = orders_of(technique)
    if not {1, 2} <= orders:
        raise NotDueError("its order is no choice")
    if technique.cls.training != "episodes":
        raise NotDueError("it is not trained on episodes")
    first, second = (unclipped(technique, order) for order in (1, 2))
    meta, lessons = technique.meta(first), technique.lessons(first)
    one, two = (step(each, meta, lessons).gradients for each in (first, second))
    if all(torch.allclose(one[name], two[name], rtol=1e-9, atol=0) for name in one):
        raise BreachError("orders 1 and 2 give the same meta-gradients")
    once = technique.build(
        first.hyper, problem=replace(technique.problem, learner=once_only(first))
    )
    try:
        step(once, meta, lessons)
    except SecondDerivativeError as error:
        raise BreachError("order 1 takes second derivatives") from error


def orders_of(technique: Technique) -> set[int]:
    """Return the orders that the hyperparameters admit."""
    hyper = technique.defaults()
    if "order" not in hyper.values():
        return set()
    field = type(hyper).__dataclass_fields__["order"]
    limits: Limits = field.metadata.get("limits", Limits())
    return {order for order in (1, 2) if limits.admits(order)}


class SecondDerivativeError(Exception):
    """What may be differentiated once was differentiated twice."""


class Last(torch.autograd.Function):
    """The identity, which may not be differentiated."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        """Return x."""
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, _gradient: Tensor) -> Tensor:
        """Refuse."""
        raise SecondDerivativeError


class Once(torch.autograd.Function):
    """The identity, which may be differentiated once and no more.

    torch's own ``once_differentiable`` says nothing where only some leaves are asked for.
    """

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        """Return x."""
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient."""
        last: Tensor = Last.apply(gradient)
        return last


def once_only(algorithm: Algorithm) -> Learner:
    """Return the technique's base-learner, which may be differentiated once and no more."""
    original = algorithm.problem.learner

    class OnceOnly(Learner):
        shapes = original.shapes
        Options = original.Options

        def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
            found: Tensor = Once.apply(original.features(body, x, normalise))
            return found

        def head(self, weights: Tensor, features: Tensor) -> Tensor:
            found: Tensor = Once.apply(original.head(weights, features))
            return found

        def initialise(self, generator: torch.Generator) -> Tensor:
            return original.initialise(generator)

    return OnceOnly()


def check_exact(technique: Technique) -> None:
    """Compare meta-gradients with finite differences of the query losses, in float64."""
    if technique.cls.training == "none":
        raise NotDueError("it is not meta-trained")
    algorithm = unclipped(technique, order=2)
    if not algorithm.exact:
        raise NotDueError("it does not claim the exact gradient of the query loss")
    meta, lessons = shaken(technique.meta(algorithm)), technique.lessons(algorithm)
    gradients = step(algorithm, meta, lessons).gradients

    def loss(moved: Parameters) -> float:
        predictions = step(algorithm, moved, lessons).predictions
        return float(algorithm.problem.losses(predictions, lessons.query.y).sum())

    for name, value in meta.items():
        if name not in gradients:
            continue
        off = mismatch(loss, meta, name, gradients[name].expand_as(value))
        if off > SLOPE:
            raise BreachError(
                f"the meta-gradient of {name} is {off:.1e} (relative) off the slope of the"
                " query losses"
            )


def shaken(meta: Parameters) -> Parameters:
    """Return meta-parameters in general position.

    Biases are zero at first, and a network whose inputs are zero, too, then stands right at the
    kinks of its ReLUs.
    """
    generator = torch.Generator().manual_seed(1)
    return {
        name: value + SHAKE * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in meta.items()
    }


def mismatch(
    loss: Callable[[Parameters], float], meta: Parameters, name: str, gradient: Tensor
) -> float:
    """Return the relative error of a gradient, in the direction where it is least.

    ReLU and max-pooling have kinks, across which finite differences are meaningless; few
    directions and strides meet one, and a wrong gradient is wrong in all.
    """
    generator = torch.Generator().manual_seed(0)
    best = float("inf")
    for _ in range(DIRECTIONS):
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        expected = float((direction * gradient).sum())
        for stride in STRIDES:
            ahead, behind = (
                loss({**meta, name: meta[name] + sign * stride * direction}) for sign in (1, -1)
            )
            slope = (ahead - behind) / (2 * stride)
            floor = 1e-6 * max(1.0, abs(ahead))  # what rounding leaves of a slope of zero
            best = min(best, abs(slope - expected) / max(abs(slope), abs(expected), floor))
            if best <= SLOPE:
                return best
    return best
