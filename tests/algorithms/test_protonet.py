"""Prototypical networks against distances computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mlbench.contract import Batch, Problem
from mlbench.embedding import EmbeddingBased
from mlbench.engines import Loop
from mlbench.learners import MLP
from mlbench.registry import load_algorithm

WAYS = 4


def protonet() -> EmbeddingBased:
    algorithm = load_algorithm("protonet")
    built = algorithm(algorithm.Hyper(), Problem("classification", MLP(1, WAYS)), Loop())
    assert isinstance(built, EmbeddingBased)
    return built


def features(labels: list[int], seed: int) -> tuple[Batch, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    support, query = (
        torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (len(labels), 9)
    )
    return Batch(support, torch.tensor(labels)), query


@pytest.mark.parametrize("labels", [[3, 0, 1, 2, 0], [1, 1, 3, 0, 2, 1, 2, 0]])
def test_logits_are_minus_the_squared_distances_to_the_class_means(labels: list[int]) -> None:
    support, query = features(labels, seed=len(labels))
    x, q = support.x.numpy(), query.numpy()
    expected = np.zeros((len(q), WAYS))
    for k in range(WAYS):
        members = [row for row, label in zip(x, labels, strict=True) if label == k]
        mean = sum(members) / len(members)
        for i, each in enumerate(q):
            expected[i, k] = -np.dot(each - mean, each - mean)
    found = protonet().read_out({}, support, query)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_one_shot_it_is_the_nearest_neighbour(seed: int) -> None:
    labels = [2, 0, 3, 1]
    support, query = features(labels, seed)
    nearest = torch.cdist(query, support.x).argmin(1)
    assert torch.equal(protonet().read_out({}, support, query).argmax(1), support.y[nearest])


def test_moving_the_embedding_changes_nothing() -> None:
    support, query = features([3, 0, 1, 2, 0], seed=1)
    q, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    moved = Batch(support.x @ q + 1.5, support.y)
    torch.testing.assert_close(
        protonet().read_out({}, moved, query @ q + 1.5), protonet().read_out({}, support, query)
    )
