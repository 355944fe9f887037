"""Reptile against closed forms, torch's Adam and, engine by engine, itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.contract import Batch, Problem, TaskBatch
from mlbench.engines import ENGINES
from mlbench.learners import MLP, MLPOptions
from tests.algorithms import problems
from tests.algorithms.problems import PROBLEMS, RANDOMNESS, TASKS, waves

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
NUMBERS = st.floats(-3, 3)
build = partial(problems.build, "reptile")
start = partial(problems.start, spread=0.1)


@settings(max_examples=10)
@given(
    theta=NUMBERS,
    supports=st.tuples(NUMBERS, NUMBERS),
    steps=st.integers(1, 6),
    epsilon=st.floats(0.01, 1),
    engine=st.sampled_from(["loop", "stacked"]),
)
def test_on_quadratics_it_goes_epsilon_of_the_way_to_the_mean_of_what_tasks_end_at(
    theta: float, supports: tuple[float, ...], steps: int, epsilon: float, engine: str
) -> None:
    x = torch.zeros(TASKS, 1, 1, dtype=torch.float64)
    tasks = TaskBatch(Batch(x, x.new_tensor(supports).view_as(x)), Batch(x, x))
    bias = Problem("regression", MLP(1, 1, MLPOptions(hidden=())))  # at x = 0 it predicts its bias
    chosen: dict[str, Any] = {
        "train_steps": steps,
        "meta_batch": TASKS + 1,  # the last tasks of a budget may be fewer
        "meta_lr": epsilon,
        "inner_lr": 0.1,
        "clip": None,
        "meta_clip": None,
    }
    reptile = build(bias, ENGINES[engine](), **chosen)
    assert not reptile.exact
    meta = {"theta": x.new_tensor([0, theta])}
    taught = reptile.meta_step(meta, tasks)
    optimiser = reptile.optimiser([meta["theta"]])
    meta["theta"].grad = taught.gradients["theta"]
    optimiser.step()

    shrink = (1 - 2 * 0.1) ** steps  # the loss is (θ - s)², so φ - s = shrink * (θ - s)
    ends = [s + shrink * (theta - s) for s in supports]
    expected = theta + epsilon * (sum(ends) / TASKS - theta)
    assert meta["theta"].tolist() == pytest.approx([0, expected], abs=1e-9)
    assert taught.predictions.flatten().tolist() == pytest.approx(ends, abs=1e-9)


@pytest.mark.parametrize("learner", PROBLEMS)
def test_one_step_teaches_the_gradient_of_the_support_loss(learner: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    reptile = build(problem, train_steps=1, inner_lr=0.03)
    theta = start(reptile)["theta"].requires_grad_()
    outputs = [problem.learner(theta, x) for x in tasks.support.x]
    total = problem.losses(torch.stack(outputs), tasks.support.y).sum()
    (expected,) = torch.autograd.grad(total, theta)
    found = reptile.meta_step({"theta": theta.detach()}, tasks).gradients["theta"]
    torch.testing.assert_close(found, 0.03 * expected / TASKS, **CLOSE)


def test_with_beta2_the_inner_loop_is_adam_without_momentum() -> None:
    problem, tasks = waves()
    reptile = build(problem, train_steps=7, inner_lr=0.01, beta2=0.99, clip=None)
    meta = start(reptile)
    expected = torch.zeros_like(meta["theta"])
    for x, y in zip(*tasks.support, strict=True):
        phi = meta["theta"].clone().requires_grad_()
        adam = torch.optim.Adam([phi], lr=0.01, betas=(0.0, 0.99))
        for _ in range(7):
            (phi.grad,) = torch.autograd.grad(problem.loss(problem.learner(phi, x), y), phi)
            adam.step()
        expected += (meta["theta"] - phi.detach()) / TASKS
    torch.testing.assert_close(reptile.meta_step(meta, tasks).gradients["theta"], expected, **CLOSE)


def test_queries_teach_nothing_but_are_predicted_by_the_adapted_weights() -> None:
    problem, tasks = waves()
    reptile = build(problem, train_steps=4, test_steps=4)
    meta = start(reptile)
    before = meta["theta"].clone()
    taught = reptile.meta_step(meta, tasks)
    other = TaskBatch(tasks.support, Batch(tasks.query.x + 1, tasks.query.y - 1))
    again = reptile.meta_step(meta, other)
    assert torch.equal(taught.gradients["theta"], again.gradients["theta"])
    answers = reptile.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    torch.testing.assert_close(taught.predictions, answers, **CLOSE)
    assert not taught.predictions.requires_grad
    assert torch.equal(meta["theta"], before)


@pytest.mark.parametrize(
    ("learner", "beta2"), [*((name, None) for name in PROBLEMS), ("waves", 0.9)]
)
def test_stacked_tasks_equal_the_plain_loop(learner: str, beta2: float | None) -> None:
    problem, tasks = PROBLEMS[learner]()
    chosen: dict[str, Any] = {"train_steps": 4, "test_steps": 5, "clip": 0.05, "beta2": beta2}
    loop, stacked = build(problem, **chosen), build(problem, ENGINES["stacked"](), **chosen)
    meta = start(loop)
    found, expected = stacked.meta_step(meta, tasks), loop.meta_step(meta, tasks)
    torch.testing.assert_close(found.gradients, expected.gradients, **CLOSE)
    torch.testing.assert_close(found.predictions, expected.predictions, **CLOSE)
    torch.testing.assert_close(
        stacked.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        **CLOSE,
    )
