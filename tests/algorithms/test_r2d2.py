"""R2-D2 against the normal equations, solved in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, Problem, ProblemKind, Randomness, TaskBatch
from mlbench.embedding import EmbeddingBased
from mlbench.engines import ENGINES
from mlbench.learners import MLP
from mlbench.registry import load_algorithm

WAYS = 3


def build(kind: ProblemKind, engine: str = "loop", **settings: Any) -> EmbeddingBased:
    algorithm = load_algorithm("r2d2")
    outputs = 1 if kind == "regression" else WAYS
    problem = Problem(kind, MLP(1, outputs))
    built = algorithm(algorithm.Hyper(**settings), problem, ENGINES[engine]())
    assert isinstance(built, EmbeddingBased)
    return built


def meta_of(**values: float) -> Parameters:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [2, 6, 40], ids=["few features", "as many", "more features"])
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 50.0])
def test_logits_are_those_of_the_ridge_regression_on_one_hot_targets(
    size: int, ridge: float
) -> None:
    labels = [2, 0, 1, 0, 2, 2, 1]
    support, query = draw(7, size), draw(4, size, seed=2)
    x = np.hstack([support.numpy(), np.ones((7, 1))])
    targets = np.eye(WAYS)[labels]
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(size + 1), x.T @ targets)
    expected = 3.0 * np.hstack([query.numpy(), np.ones((4, 1))]) @ weights
    found = build("classification").read_out(
        meta_of(log_ridge=math.log(ridge), scale=3.0),
        Batch(support, torch.tensor(labels)),
        query,
        WAYS,
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-10)


def test_without_a_ridge_a_regression_passes_through_its_examples() -> None:
    x, y = draw(5, 40), draw(5, 1, seed=2)
    meta = meta_of(log_ridge=math.log(1e-10), scale=2.0, shift=0.5)
    found = build("regression").read_out(meta, Batch(x, y), x, 1)
    torch.testing.assert_close(found, 2 * y + 0.5, rtol=1e-6, atol=1e-6)


def test_an_endless_ridge_predicts_nothing_but_the_shift() -> None:
    meta = meta_of(log_ridge=math.log(1e15), scale=2.0, shift=0.5)
    found = build("regression").read_out(meta, Batch(draw(5, 40), draw(5, 1)), draw(3, 40), 1)
    torch.testing.assert_close(found, torch.full_like(found, 0.5))


def test_regularisation_and_scale_begin_where_they_are_told_to() -> None:
    meta = build("classification", ridge=7.0, scale=3.0).initialise(torch.Generator())
    assert meta["log_ridge"].exp().item() == pytest.approx(7)
    assert meta["scale"].item() == 3
    assert meta.keys() == {"body", "log_ridge", "scale"}  # softmax would not see a shift


@pytest.mark.parametrize("engine", ["loop", "stacked"])
def test_meta_gradients_of_a_regression_equal_finite_differences(engine: str) -> None:
    algorithm = build("regression", engine, ridge=0.1)
    x, y = draw(2, 12, 1), draw(2, 12, 1, seed=2)
    tasks = TaskBatch(Batch(x[:, :5], y[:, :5]), Batch(x[:, 5:], y[:, 5:]))
    meta = {
        name: value.double()
        for name, value in algorithm.initialise(torch.Generator().manual_seed(3)).items()
    }
    gradients = algorithm.meta_step(meta, tasks).gradients
    assert gradients.keys() == {"body", "log_ridge", "scale", "shift"}

    def total(moved: Parameters) -> float:
        predictions = algorithm.predict(
            moved, tasks.support, tasks.query.x, Randomness(bytes(16), 0, 2)
        )
        return float(algorithm.problem.losses(predictions, tasks.query.y).sum())

    for name, value in meta.items():
        direction = torch.randn(
            value.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64
        )
        ahead, behind = (total({**meta, name: value + s * direction}) for s in (1e-6, -1e-6))
        slope = float((gradients[name] * direction).sum())
        assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-7)
        assert abs(slope) > 1e-4


def test_features_that_are_not_finite_give_nan_and_no_error() -> None:
    meta = meta_of(log_ridge=0.0, scale=1.0)
    labels = torch.tensor([0, 1, 2])
    for value in (math.nan, math.inf):
        support = draw(3, 4)
        support[1, 2] = value
        found = build("classification").read_out(meta, Batch(support, labels), draw(2, 4), WAYS)
        assert found.isnan().any()
