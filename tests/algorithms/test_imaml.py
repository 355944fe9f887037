"""iMAML against closed forms, finite differences and, engine by engine, itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlbench.contract import Batch, Problem, TaskBatch
from mlbench.engines import ENGINES
from mlbench.learners import MLP, MLPOptions, unflatten
from mlbench.normalise import Normaliser, by_batch
from tests.algorithms import problems
from tests.algorithms.problems import PROBLEMS, RANDOMNESS, TASKS

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
NUMBERS = st.floats(-3, 3)
BARE: dict[str, Any] = {"clip": None, "meta_clip": None}
build = partial(problems.build, "imaml")
start = partial(problems.start, spread=0.1)


class Smooth(MLP):
    """A perceptron of one hidden layer whose curvature is everywhere defined."""

    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        weight, bias = unflatten(body, self.shapes[:-2])
        return torch.tanh(x @ weight.T + bias)


def numbers(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear() -> tuple[Problem, TaskBatch]:
    problem = Problem("regression", MLP(3, 1, MLPOptions(hidden=())))
    support = Batch(numbers(TASKS, 6, 3, seed=1), numbers(TASKS, 6, 1, seed=2))
    return problem, TaskBatch(support, Batch(numbers(TASKS, 5, 3), numbers(TASKS, 5, 1, seed=4)))


def smooth() -> tuple[Problem, TaskBatch]:
    labels = torch.arange(3).expand(TASKS, -1)
    support = Batch(numbers(TASKS, 6, 2, seed=1), labels.repeat(1, 2))
    query = Batch(numbers(TASKS, 9, 2, seed=2), labels.repeat(1, 3))
    return Problem("classification", Smooth(2, 3, MLPOptions(hidden=(4,)))), TaskBatch(
        support, query
    )


@settings(max_examples=10)
@given(
    theta=NUMBERS,
    support=NUMBERS,
    query=NUMBERS,
    weight=st.floats(0.1, 4),
    damping=st.sampled_from([0.0, 1.0]),
    engine=st.sampled_from(["loop", "stacked"]),
)
def test_a_quadratic_is_solved_as_by_hand(
    theta: float, support: float, query: float, weight: float, damping: float, engine: str
) -> None:
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    tasks = TaskBatch(Batch(x, torch.full_like(x, support)), Batch(x, torch.full_like(x, query)))
    bias = Problem("regression", MLP(1, 1, MLPOptions(hidden=())))  # at x = 0 it predicts its bias
    chosen: dict[str, Any] = {
        "train_steps": 34,
        "inner_lr": 0.25,
        "proximity": weight,
        "damping": damping,
    }
    imaml = build(bias, ENGINES[engine](), **chosen, **BARE)
    assert not imaml.exact
    taught = imaml.meta_step({"theta": x.new_tensor([0, theta])}, tasks)
    phi = (2 * support + weight * theta) / (2 + weight)  # the loss is (φ - s)² + λ/2 (φ - θ)²
    expected = 2 * (phi - query) / (1 + damping + 2 / weight)
    assert taught.predictions.item() == pytest.approx(phi, abs=1e-9)
    assert taught.gradients["theta"].tolist() == pytest.approx([0, expected], abs=1e-9)


@pytest.mark.parametrize("engine", ["loop", "stacked"])
@pytest.mark.parametrize("solver_steps", [4, 12])
def test_linear_regression_has_the_closed_form_of_ridge_regression(
    solver_steps: int, engine: str
) -> None:
    problem, tasks = linear()
    weight = 0.7
    chosen: dict[str, Any] = {"train_steps": 200, "inner_lr": 0.15, "proximity": weight}
    imaml = build(problem, ENGINES[engine](), solver_steps=solver_steps, **chosen, **BARE)
    theta = numbers(4, seed=9)
    expected = torch.zeros(4, dtype=torch.float64)
    for index in range(TASKS):
        (x, y), (query_x, query_y) = tasks.task(index)
        x, query_x = (torch.cat((part, torch.ones_like(part[:, :1])), 1) for part in (x, query_x))
        hessian = 2 / len(x) * x.T @ x
        matrix = hessian + weight * torch.eye(4, dtype=torch.float64)
        phi = torch.linalg.solve(matrix, 2 / len(x) * (x.T @ y).squeeze(1) + weight * theta)
        gradient = 2 / len(query_x) * query_x.T @ (query_x @ phi - query_y.squeeze(1))
        expected += weight * torch.linalg.solve(matrix, gradient)
    found = imaml.meta_step({"theta": theta}, tasks).gradients["theta"]
    torch.testing.assert_close(found, expected, **CLOSE)


def test_it_is_the_derivative_of_the_query_loss_at_the_inner_solution() -> None:
    problem, tasks = smooth()
    chosen: dict[str, Any] = {"train_steps": 40, "test_steps": 40, "solver_steps": 27}
    imaml = build(problem, inner_lr=0.4, proximity=1.0, **chosen, **BARE)
    theta = start(imaml)["theta"]
    gradient = imaml.meta_step({"theta": theta}, tasks).gradients["theta"]

    def total(moved: Tensor) -> float:
        meta = {"theta": moved}
        predictions = imaml.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
        return float(problem.losses(predictions, tasks.query.y).sum())

    step = 1e-5
    for seed in range(3):
        direction = numbers(len(theta), seed=seed)
        slope = (total(theta + step * direction) - total(theta - step * direction)) / (2 * step)
        assert float(gradient @ direction) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_a_query_loss_without_slope_teaches_zero_not_nan() -> None:
    problem, tasks = linear()
    imaml = build(problem)
    theta = {"theta": torch.zeros(4, dtype=torch.float64)}
    zeros = TaskBatch(*(Batch(x, torch.zeros_like(y)) for x, y in tasks))
    assert imaml.meta_step(theta, zeros).gradients["theta"].tolist() == [0] * 4


@pytest.mark.parametrize("learner", PROBLEMS)
def test_one_solver_step_and_a_heavy_weight_is_nearly_the_gradient_of_the_query_loss(
    learner: str,
) -> None:
    problem, tasks = PROBLEMS[learner]()
    imaml = build(problem, inner_lr=1e-9, proximity=1e7, solver_steps=1, **BARE)
    theta = start(imaml)["theta"].requires_grad_()
    outputs = [problem.learner(theta, x) for x in tasks.query.x]
    total = problem.losses(torch.stack(outputs), tasks.query.y).sum()
    (expected,) = torch.autograd.grad(total, theta)
    found = imaml.meta_step({"theta": theta.detach()}, tasks).gradients["theta"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("learner", PROBLEMS)
def test_stacked_tasks_equal_the_plain_loop(learner: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    chosen: dict[str, Any] = {"train_steps": 3, "test_steps": 4, "inner_lr": 0.02, "proximity": 2.0}
    loop, stacked = build(problem, **chosen), build(problem, ENGINES["stacked"](), **chosen)
    meta = start(loop)
    found, expected = stacked.meta_step(meta, tasks), loop.meta_step(meta, tasks)
    scale = float(expected.gradients["theta"].abs().max())
    difference = found.gradients["theta"] - expected.gradients["theta"]
    assert float(difference.abs().max()) < 1e-10 * max(scale, 1)
    torch.testing.assert_close(found.predictions, expected.predictions, **CLOSE)
    torch.testing.assert_close(
        stacked.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        **CLOSE,
    )
