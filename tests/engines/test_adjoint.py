"""Engines that save memory give the numbers of the plain loop, in every technique."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mlbench.contract import Parameters, Problem, TaskBatch
from mlbench.engines import Adjoint, Engine, Loop, Stacked
from mlbench.errors import MisuseError
from mlbench.inner import GradientBased, InnerHyper, UpdateRule
from mlbench.registry import find_plugins, load_algorithm
from tests.algorithms.problems import RANDOMNESS, build, images, start, waves

TECHNIQUES = [
    name
    for name in sorted(find_plugins("algorithms"))
    if issubclass(load_algorithm(name), GradientBased)
]
CASES: dict[str, tuple[Callable[[], tuple[Problem, TaskBatch]], int]] = {
    "waves": (lambda: waves((12, 12)), 50),
    "images": (images, 200),
}
"""Problems, and how many rows a piece has: of 193 weights, and of 567."""
ENGINES: dict[str, Callable[[int], Engine]] = {
    "by rows": lambda rows: Loop(rows=rows),
    "adjoint": lambda rows: Adjoint(rows=rows),
    "stacked": lambda _: Stacked(),
}
SETTINGS: dict[str, Any] = {"train_steps": 2, "test_steps": 2, "clip": 0.05}  # it bites


def plain(name: str, problem: Problem, **settings: Any) -> GradientBased:
    return build(name, problem, Loop(rows=None), **settings)


def agree(found: Tensor, expected: Tensor, scale: float) -> None:
    assert float((found - expected).abs().max()) <= 1e-10 * scale


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("case", CASES)
def test_every_technique_is_that_of_the_plain_loop(case: str, name: str, order: int) -> None:
    draw, rows = CASES[case]
    problem, tasks = draw()
    algorithm = load_algorithm(name)
    if problem.kind not in algorithm.kinds:
        pytest.skip(f"{name} does not do {problem.kind}")
    settings = {**SETTINGS, "order": order}
    try:
        algorithm.Hyper(**settings)
    except MisuseError:
        pytest.skip(f"{name} is of one order")
    loop = plain(name, problem, **settings)
    meta = start(loop, spread=0.1)
    expected = loop.meta_step(meta, tasks)
    answers = loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    scale = max(float(value.abs().max()) for value in expected.gradients.values())
    for engine in ENGINES.values():
        other = build(name, problem, engine(rows), **settings)
        found = other.meta_step(meta, tasks)
        assert found.gradients.keys() == expected.gradients.keys()
        for key, value in expected.gradients.items():
            agree(found.gradients[key], value, scale)
        agree(found.predictions, expected.predictions, 1)
        agree(other.predict(meta, tasks.support, tasks.query.x, RANDOMNESS), answers, 1)


@pytest.mark.parametrize("divide", [False, True])
@pytest.mark.parametrize("inputs", ["processed", "raw"])
def test_the_lstm_in_second_order_is_that_of_the_plain_loop(inputs: str, divide: bool) -> None:
    problem, tasks = waves((7,))
    settings = {**SETTINGS, "order": 2, "inputs": inputs, "divide": divide, "gates": "pre-sigmoid"}
    loop = plain("lstm", problem, **settings)
    meta = start(loop, spread=0.3)
    expected = loop.meta_step(meta, tasks).gradients
    for engine in (*(make(5) for make in ENGINES.values()), Adjoint(rows=None)):
        found = build("lstm", problem, engine, **settings).meta_step(meta, tasks).gradients
        for key, value in expected.items():
            agree(found[key], value, float(value.abs().max()))


class Memory(NamedTuple):
    """A state of every kind: something that is no tensor at first, and a count."""

    velocity: Tensor | None
    rest: dict[str, Any]


class Heavy(UpdateRule[Memory]):
    """Heavy ball, pulled to where it began: Θ enters by the meta that ``step`` is handed, too."""

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        return {"rate": torch.tensor(-3.0), "pull": torch.full_like(theta, 0.1)}

    def start(self, meta: Parameters, theta: Tensor) -> Memory:
        return Memory(None, {"count": 0, "losses": []})

    def step(
        self,
        meta: Parameters,
        state: Memory,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, Memory]:
        assert state.rest["count"] == t == len(state.rest["losses"])
        velocity = gradient if state.velocity is None else 0.9 * state.velocity + gradient
        pull = meta["pull"] * (meta["theta"] - theta) * loss
        losses = [*state.rest["losses"], loss]
        return (
            theta - meta["rate"].exp() * velocity + pull,
            Memory(velocity, {"count": t + 1, "losses": losses}),
        )


class Whole(GradientBased):
    """A technique that uses all of an update: it also learns from support losses and gradients."""

    name = "whole"
    paper = "none"
    Rule = Heavy

    def objective(
        self, meta: Parameters, task: TaskBatch, inner_gradient: Any
    ) -> tuple[Tensor, Tensor]:
        loop = self.inner_loop(meta, task.support, inner_gradient, steps=4, order=self.hyper.order)
        total, prediction = torch.zeros_like(task.query.x[0, 0]), task.query.x
        for update in loop:
            prediction = self.answer(meta, update.theta, task.support.x, task.query.x)
            loss = self.problem.loss(prediction, task.query.y)
            total = total + loss + update.loss + update.gradient.square().sum()
        return total, prediction


@pytest.mark.parametrize("order", [1, 2])
def test_all_that_an_update_gives_passes_gradients_on(order: int) -> None:
    problem, tasks = waves((7,))
    hyper = InnerHyper(order=order, meta_clip=None)
    meta = start(Whole(hyper, problem, Loop()), spread=0.2)
    expected = Whole(hyper, problem, Loop(rows=None)).meta_step(meta, tasks).gradients
    for engine in ENGINES.values():
        found = Whole(hyper, problem, engine(5)).meta_step(meta, tasks).gradients
        for key, value in expected.items():
            agree(found[key], value, float(value.abs().max()))


def test_an_operator_that_a_technique_wraps_is_exact_too() -> None:
    problem, tasks = waves((7,))

    turtle: Any = load_algorithm("turtle")

    class Doubled(turtle):  # type: ignore[misc]
        def objective(self, meta: Parameters, task: TaskBatch, inner_gradient: Any) -> Any:
            def doubled(loss: Any, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
                gradient, value = inner_gradient(loss, theta, constant=constant)
                return 2 * gradient, value

            return super().objective(meta, task, doubled)

    hyper = Doubled.Hyper(train_steps=2)
    meta = start(Doubled(hyper, problem, Loop()), spread=0.1)
    expected = Doubled(hyper, problem, Loop(rows=None)).meta_step(meta, tasks).gradients
    for engine in ENGINES.values():
        found = Doubled(hyper, problem, engine(5)).meta_step(meta, tasks).gradients
        for key, value in expected.items():
            agree(found[key], value, float(value.abs().max()))
