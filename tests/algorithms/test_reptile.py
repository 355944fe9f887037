"""Reptile against closed forms, torch's Adam and, engine by engine, itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.contract import Batch, Parameters, Problem, Randomness, TaskBatch
from mlbench.engines import ENGINES, Engine, Loop
from mlbench.inner import GradientBased
from mlbench.learners import MLP, Conv4, Conv4Options, MLPOptions
from mlbench.registry import load_algorithm

TASKS = 3
RANDOMNESS = Randomness(bytes(16), 0, TASKS)
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
NUMBERS = st.floats(-3, 3)


def build(problem: Problem, engine: Engine | None = None, **chosen: Any) -> GradientBased:
    algorithm = load_algorithm("reptile")
    built = algorithm(algorithm.Hyper(**chosen), problem, engine or Loop())
    assert isinstance(built, GradientBased)
    return built


def regression() -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(3)

    def draw(n: int) -> Batch:
        return Batch(*torch.randn(2, TASKS, n, 1, generator=generator, dtype=torch.float64))

    return Problem("regression", MLP(1, 1)), TaskBatch(draw(5), draw(7))


def images() -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(4)
    learner = Conv4((2, 16, 16), 3, Conv4Options(channels=4))

    def draw(n: int) -> Batch:
        x = torch.rand(TASKS, 3 * n, 2, 16, 16, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(3).repeat_interleave(n).expand(TASKS, -1))

    return Problem("classification", learner), TaskBatch(draw(2), draw(3))


PROBLEMS = {"regression": regression, "images": images}


def start(algorithm: GradientBased) -> Parameters:
    generator = torch.Generator().manual_seed(5)
    theta = algorithm.initialise(generator)["theta"].double()
    return {"theta": theta + 0.1 * torch.randn(theta.shape, generator=generator)}


@settings(max_examples=10)
@given(
    theta=NUMBERS,
    supports=st.tuples(NUMBERS, NUMBERS, NUMBERS),
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
    problem, tasks = regression()
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
    problem, tasks = regression()
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
    ("learner", "beta2"), [*((name, None) for name in PROBLEMS), ("regression", 0.9)]
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
