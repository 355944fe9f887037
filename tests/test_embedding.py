"""What techniques that learn an embedding share, against finite differences and symmetries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mlbench.contract import (
    Algorithm,
    Batch,
    Normalisation,
    Parameters,
    Problem,
    Randomness,
    TaskBatch,
)
from mlbench.embedding import class_means
from mlbench.engines import ENGINES, Engine, Loop
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import load_algorithm

TECHNIQUES = ("matching_net", "proto_maml", "protonet", "r2d2")
EXTRA: dict[str, dict[str, Any]] = {
    "proto_maml": {"train_steps": 2, "test_steps": 2, "clip": None, "meta_clip": None}
}
WAYS = 3
LABELS = ((2, 0, 1, 0, 2, 2), (1, 1, 2, 0, 0, 1))  # unequal shots, in no order
RANDOMNESS = Randomness(bytes(16), 0, len(LABELS))


def build(
    name: str, normalisation: Normalisation = "transductive", engine: Engine | None = None
) -> Algorithm:
    learner = Conv4((2, 16, 16), WAYS, Conv4Options(channels=4))
    problem = Problem("classification", learner, normalisation)
    algorithm = load_algorithm(name)
    return algorithm(algorithm.Hyper(**EXTRA.get(name, {})), problem, engine or Loop())


def draw() -> TaskBatch:
    generator = torch.Generator().manual_seed(4)
    support, query = (
        torch.rand(len(LABELS), n, 2, 16, 16, generator=generator, dtype=torch.float64)
        for n in (6, 5)
    )
    answers = torch.randint(WAYS, (len(LABELS), 5), generator=generator)
    return TaskBatch(Batch(support, torch.tensor(LABELS)), Batch(query, answers))


def start(algorithm: Algorithm) -> Parameters:
    """Return meta-parameters whose batch-norm is not trivial: its scales and shifts vary."""
    generator = torch.Generator().manual_seed(5)
    return {
        name: value.double()
        + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in algorithm.initialise(generator).items()
    }


def predict(name: str, normalisation: Normalisation, support: Batch, query_x: Tensor) -> Tensor:
    algorithm = build(name, normalisation)
    return algorithm.predict(start(algorithm), support, query_x, RANDOMNESS)


@pytest.mark.parametrize("normalisation", ["transductive", "inductive"])
@pytest.mark.parametrize("name", TECHNIQUES)
def test_stacked_tasks_equal_the_plain_loop(name: str, normalisation: Normalisation) -> None:
    tasks = draw()
    loop = build(name, normalisation)
    meta = start(loop)
    expected = loop.meta_step(meta, tasks)
    stacked = build(name, normalisation, ENGINES["stacked"]())
    found = stacked.meta_step(meta, tasks)
    close: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
    assert found.gradients.keys() == expected.gradients.keys() == meta.keys()
    for key, value in expected.gradients.items():
        assert float((found.gradients[key] - value).abs().max()) <= 1e-10 * float(value.abs().max())
    torch.testing.assert_close(found.predictions, expected.predictions, **close)
    torch.testing.assert_close(
        stacked.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        **close,
    )


@pytest.mark.parametrize("normalisation", ["transductive", "inductive"])
@pytest.mark.parametrize("name", TECHNIQUES)
def test_meta_gradients_equal_finite_differences(name: str, normalisation: Normalisation) -> None:
    tasks = draw()
    algorithm = build(name, normalisation)
    assert algorithm.exact
    meta = start(algorithm)
    gradients = algorithm.meta_step(meta, tasks).gradients
    generator = torch.Generator().manual_seed(6)

    def total(moved: Parameters) -> float:
        predictions = algorithm.meta_step(moved, tasks).predictions
        return float(algorithm.problem.losses(predictions, tasks.query.y).sum())

    step = 1e-7  # larger ones cross the kinks of ReLU and max-pool
    for key, value in meta.items():
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        ahead, behind = (total({**meta, key: value + s * direction}) for s in (step, -step))
        slope = float((gradients[key] * direction).sum())
        assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_the_order_of_the_support_set_says_nothing(name: str) -> None:
    support, query = draw()
    shuffled = [3, 5, 0, 2, 1, 4]
    torch.testing.assert_close(
        predict(name, "transductive", Batch(*(part[:, shuffled] for part in support)), query.x),
        predict(name, "transductive", support, query.x),
    )


@pytest.mark.parametrize("name", TECHNIQUES)
def test_other_names_of_the_labels_permute_the_logits(name: str) -> None:
    support, query = draw()
    names = torch.tensor([2, 0, 1])
    renamed = predict(name, "transductive", Batch(support.x, names[support.y]), query.x)
    logits = predict(name, "transductive", support, query.x)
    torch.testing.assert_close(renamed[..., names], logits)
    assert not torch.allclose(renamed, logits)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_only_transductive_predictions_depend_on_the_other_queries(name: str) -> None:
    support, query = draw()
    others = query.x.clone()
    others[:, 1:] = 1 - others[:, 1:] ** 2
    expected: dict[Normalisation, bool] = {"inductive": True, "transductive": False}
    for normalisation, same in expected.items():
        first, again = (predict(name, normalisation, support, x)[:, 0] for x in (query.x, others))
        assert torch.allclose(first, again, rtol=1e-10, atol=1e-10) is same


@pytest.mark.parametrize("name", TECHNIQUES)
def test_equal_seeds_begin_with_equal_bodies(name: str) -> None:
    algorithm = build(name)
    learner = algorithm.problem.learner
    body, _ = learner.split(learner.initialise(torch.Generator().manual_seed(7)))
    assert torch.equal(algorithm.initialise(torch.Generator().manual_seed(7))["body"], body)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_meta_step_changes_no_parameter_and_keeps_no_graph(name: str) -> None:
    algorithm = build(name)
    meta = start(algorithm)
    before = {key: value.clone() for key, value in meta.items()}
    taught = algorithm.meta_step(meta, draw())
    assert not any(t.requires_grad for t in (taught.predictions, *taught.gradients.values()))
    assert all(torch.equal(meta[key], value) for key, value in before.items())


def test_class_means_weigh_every_example_of_a_class_alike() -> None:
    features = torch.tensor([[1.0, 8.0], [5.0, 0.0], [3.0, 2.0], [6.0, 5.0]])
    support = Batch(features, torch.tensor([1, 0, 1, 1]))
    expected = torch.tensor([[5.0, 0.0], [10 / 3, 5.0]])
    torch.testing.assert_close(class_means(support, 2), expected)
