"""Meta-SGD against MAML, closed forms, finite differences and, engine by engine, itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from mlbench.contract import Batch, Problem, TaskBatch
from mlbench.engines import ENGINES
from mlbench.learners import MLP, MLPOptions
from tests.algorithms import problems
from tests.algorithms.problems import PROBLEMS, RANDOMNESS, waves

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
build = partial(problems.build, "meta_sgd")
start = partial(problems.start, spread=0.1)


def test_one_step_on_a_quadratic_teaches_theta_and_alpha_as_by_hand() -> None:
    theta, alpha, support, query = 0.7, 0.2, -1.1, 2.3
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    tasks = TaskBatch(Batch(x, torch.full_like(x, support)), Batch(x, torch.full_like(x, query)))
    meta = {"theta": x.new_tensor([0, theta]), "alpha": x.new_tensor([0, alpha])}
    bias = MLP(1, 1, MLPOptions(hidden=()))  # at x = 0 the bias is the prediction
    found = build(Problem("regression", bias)).meta_step(meta, tasks).gradients
    gradient = 2 * (theta - support)  # the loss is (θ - s)²
    adapted = theta - alpha * gradient
    slope = 2 * (adapted - query)
    assert found["theta"].tolist() == pytest.approx([0, slope * (1 - 2 * alpha)])
    assert found["alpha"].tolist() == pytest.approx([0, -slope * gradient])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("learner", PROBLEMS)
def test_equal_rates_make_it_maml(learner: str, order: int) -> None:
    problem, tasks = PROBLEMS[learner]()
    settings: dict[str, Any] = {"train_steps": 3, "test_steps": 4, "order": order}
    meta_sgd = build(problem, **settings)
    maml = problems.build("maml", problem, inner_lr=0.05, **settings)
    theta = start(meta_sgd)["theta"]
    meta = {"theta": theta, "alpha": torch.full_like(theta, 0.05)}
    found, expected = meta_sgd.meta_step(meta, tasks), maml.meta_step({"theta": theta}, tasks)
    torch.testing.assert_close(found.predictions, expected.predictions, **CLOSE)
    torch.testing.assert_close(found.gradients["theta"], expected.gradients["theta"], **CLOSE)
    torch.testing.assert_close(
        meta_sgd.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        maml.predict({"theta": theta}, tasks.support, tasks.query.x, RANDOMNESS),
        **CLOSE,
    )


@pytest.mark.slow
def test_alpha_starts_alike_for_all_weights_anywhere_in_the_interval_of_the_paper() -> None:
    problem, _ = waves()
    drawn = [
        build(problem).initialise(torch.Generator().manual_seed(seed))["alpha"]
        for seed in range(200)
    ]
    assert all(alpha.shape == (problem.learner.size,) for alpha in drawn)
    assert all(torch.equal(alpha, alpha[:1].expand_as(alpha)) for alpha in drawn)
    rates = torch.stack([alpha[0] for alpha in drawn])
    assert 0.005 <= float(rates.min()) < 0.01
    assert 0.095 < float(rates.max()) <= 0.1
    assert float(rates.mean()) == pytest.approx(0.0525, abs=0.006)
    fixed = build(problem, alpha_low=0.03, alpha_high=0.03)
    found = fixed.initialise(torch.Generator())["alpha"]
    torch.testing.assert_close(found, torch.full_like(found, 0.03))


@pytest.mark.parametrize("only", ["theta", "alpha"])
@pytest.mark.parametrize("learner", PROBLEMS)
def test_meta_gradients_equal_finite_differences(learner: str, only: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    meta_sgd = build(problem, train_steps=2, meta_clip=None)
    assert meta_sgd.exact
    meta = start(meta_sgd, spread=0.02)
    gradient = meta_sgd.meta_step(meta, tasks).gradients[only]
    direction = torch.randn(
        gradient.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64
    )

    def total(scale: float) -> float:
        moved = {**meta, only: meta[only] + scale * direction}
        predictions = meta_sgd.meta_step(moved, tasks).predictions
        return float(problem.losses(predictions, tasks.query.y).sum())

    step = 1e-7  # larger ones cross the kinks of ReLU and max-pool
    slope = (total(step) - total(-step)) / (2 * step)
    assert float(gradient @ direction) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("learner", PROBLEMS)
def test_stacked_tasks_equal_the_plain_loop(learner: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    loop = build(problem, train_steps=2)
    stacked = build(problem, ENGINES["stacked"](), train_steps=2)
    meta = start(loop)
    found, expected = stacked.meta_step(meta, tasks), loop.meta_step(meta, tasks)
    assert found.gradients.keys() == {"theta", "alpha"}
    torch.testing.assert_close(found.gradients, expected.gradients, **CLOSE)
    torch.testing.assert_close(found.predictions, expected.predictions, **CLOSE)
    torch.testing.assert_close(
        stacked.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        **CLOSE,
    )
