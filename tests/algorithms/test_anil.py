"""ANIL against MAML with a masked gradient, finite differences and, engine by engine, itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from mlbench.contract import Normalisation, Problem, TaskBatch
from mlbench.engines import ENGINES
from mlbench.learners import MLP
from mlbench.normalise import Normaliser, by_batch
from tests.algorithms import problems
from tests.algorithms.problems import PROBLEMS, RANDOMNESS, TASKS, waves

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
RATE = 0.05
build = partial(problems.build, "anil", inner_lr=RATE)
start = partial(problems.start, spread=0.1)
NORMALISATIONS: tuple[Normalisation, ...] = ("transductive", "inductive")


def masked_maml(
    problem: Problem, theta: Tensor, task: TaskBatch, steps: int, order: int
) -> tuple[Tensor, Tensor]:
    """Return one task's gradient and predictions by MAML on all weights, the body's held still."""
    theta = theta.clone().requires_grad_()
    mask = torch.zeros_like(theta)
    mask[problem.learner.body_size :] = 1
    phi: Tensor = theta
    for _ in range(steps):
        loss = problem.loss(problem.learner(phi, task.support.x), task.support.y)
        (gradient,) = torch.autograd.grad(loss, phi, create_graph=order == 2, retain_graph=True)
        phi = phi - RATE * mask * gradient
    prediction = problem.answer(phi, task.support.x, task.query.x)
    (gradient,) = torch.autograd.grad(problem.loss(prediction, task.query.y), theta)
    return gradient, prediction.detach()


@pytest.mark.parametrize("engine", ["loop", "stacked"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("learner", PROBLEMS)
def test_it_is_maml_whose_body_has_a_rate_of_zero(
    learner: str, normalisation: Normalisation, order: int, engine: str
) -> None:
    problem, tasks = PROBLEMS[learner]()
    problem = replace(problem, normalisation=normalisation)
    settings: dict[str, Any] = {"train_steps": 3, "test_steps": 3, "order": order}
    anil = build(problem, ENGINES[engine](), clip=None, meta_clip=None, **settings)
    assert anil.exact == (order == 2)
    meta = start(anil)
    alone = [masked_maml(problem, meta["theta"], tasks.task(i), 3, order) for i in range(TASKS)]
    found = anil.meta_step(meta, tasks)
    expected = torch.stack([gradient for gradient, _ in alone]).sum(0)
    predictions = torch.stack([prediction for _, prediction in alone])
    torch.testing.assert_close(found.gradients["theta"], expected, **CLOSE)
    torch.testing.assert_close(found.predictions, predictions, **CLOSE)
    answers = anil.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    torch.testing.assert_close(answers, predictions, **CLOSE)


@pytest.mark.parametrize("learner", PROBLEMS)
def test_meta_gradients_equal_finite_differences(learner: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    anil = build(problem, train_steps=3, meta_clip=None)
    theta = start(anil)["theta"]
    gradient = anil.meta_step({"theta": theta}, tasks).gradients["theta"]
    generator = torch.Generator().manual_seed(6)
    direction = torch.randn(theta.shape, generator=generator, dtype=torch.float64)

    def total(scale: float) -> float:
        predictions = anil.meta_step({"theta": theta + scale * direction}, tasks).predictions
        return float(problem.losses(predictions, tasks.query.y).sum())

    step = 1e-7  # larger ones cross the kinks of ReLU and max-pool
    slope = (total(step) - total(-step)) / (2 * step)
    assert float(gradient @ direction) == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_features_of_the_support_set_are_made_once_however_many_the_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, tasks = waves()
    made: list[int] = []
    plain = MLP.features

    def counted(self: MLP, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        made.append(len(x))
        return plain(self, body, x, normalise)

    monkeypatch.setattr(MLP, "features", counted)
    anil = build(problem, train_steps=6)
    anil.meta_step(start(anil), tasks)
    assert sorted(made) == [5] * TASKS + [7] * TASKS


def test_a_task_starts_from_the_head_of_theta() -> None:
    problem, tasks = waves()
    anil = build(problem)
    meta = start(anil)
    outputs, features = problem.learner.head_shape
    head = anil.start(meta, tasks.task(0).support)
    assert torch.equal(head, meta["theta"][-outputs * (features + 1) :])
