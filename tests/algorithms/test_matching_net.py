"""Matching networks against attention summed example by example."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mlbench.contract import Batch, Problem
from mlbench.embedding import EmbeddingBased
from mlbench.engines import Loop
from mlbench.learners import MLP
from mlbench.registry import load_algorithm

WAYS = 3
LABELS = [2, 0, 1, 0, 2, 2]


def answer(support: Tensor, query: Tensor, labels: list[int] = LABELS) -> Tensor:
    algorithm = load_algorithm("matching_net")
    built = algorithm(algorithm.Hyper(), Problem("classification", MLP(1, WAYS)), Loop())
    assert isinstance(built, EmbeddingBased)
    return built.read_out({}, Batch(support, torch.tensor(labels)), query, WAYS)


def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    both = torch.randn(11, 5, generator=generator, dtype=torch.float64)
    return both[:6], both[6:]


def cosine(one: list[float], other: list[float]) -> float:
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other))


def test_predictions_are_the_logarithm_of_the_attention_to_each_class() -> None:
    support, query = features()
    found = answer(support, query)
    for row, each in zip(found.tolist(), query.tolist(), strict=True):
        attention = [math.exp(cosine(each, other)) for other in support.tolist()]
        for k in range(WAYS):
            share = sum(a for a, label in zip(attention, LABELS, strict=True) if label == k)
            assert row[k] == pytest.approx(math.log(share / sum(attention)), rel=1e-12)


def test_predictions_are_normalised() -> None:
    total = answer(*features()).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_lengths_of_features_do_not_matter() -> None:
    support, query = features()
    lengths = torch.tensor([1e-3, 1.0, 7.0, 1e6, 2.0, 0.1], dtype=torch.float64)[:, None]
    torch.testing.assert_close(answer(support * lengths, query * 1e4), answer(support, query))


def test_one_shot_with_opposite_and_equal_features_is_known() -> None:
    support = torch.tensor([[2.0, 0.0], [-5.0, 0.0], [0.0, 3.0]])
    found = answer(support, torch.tensor([[7.0, 0.0]]), [0, 1, 2])
    cosines = torch.tensor([[1.0, -1.0, 0.0]])
    torch.testing.assert_close(found, cosines.log_softmax(-1))


def test_features_of_zero_attend_alike_and_have_finite_gradients() -> None:
    support = torch.zeros(6, 5, requires_grad=True)
    query = torch.zeros(2, 5, requires_grad=True)
    found = answer(support, query)
    shares = torch.tensor([2, 1, 3]) / 6
    torch.testing.assert_close(found, shares.log().expand(2, -1))
    for gradient in torch.autograd.grad(found[:, 0].sum(), (support, query)):
        assert gradient.isfinite().all()
