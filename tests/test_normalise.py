"""The statistics of batch-norm, against torch's own modules and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mlbench.learners import Conv4, Conv4Options
from mlbench.normalise import EPSILON, Statistics, by_batch, by_first, by_statistics, recording

CHANNELS = 3
GAMMA = torch.tensor([0.5, 1.0, -2.0], dtype=torch.float64)
BETA = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)


@pytest.fixture
def x() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 3 + 2 * torch.randn(6, CHANNELS, 4, 5, generator=generator, dtype=torch.float64)


def by_hand(x: Tensor, reference: Tensor) -> Tensor:
    mean = reference.mean((0, 2, 3), keepdim=True)
    variance = ((reference - mean) ** 2).mean((0, 2, 3), keepdim=True)
    scale, shift = GAMMA[:, None, None], BETA[:, None, None]
    return (x - mean) / (variance + EPSILON).sqrt() * scale + shift


def test_a_batch_is_normalised_by_itself(x: Tensor) -> None:
    torch.testing.assert_close(by_batch(0, x, GAMMA, BETA), by_hand(x, x))


@pytest.mark.parametrize("count", [1, 4, 6])
def test_the_first_examples_normalise_all(x: Tensor, count: int) -> None:
    torch.testing.assert_close(by_first(count)(0, x, GAMMA, BETA), by_hand(x, x[:count]))


def test_the_statistics_of_the_first_examples_are_differentiated(x: Tensor) -> None:
    leaf = x[:3, :, :2, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda some: by_first(2)(0, some, GAMMA, BETA), leaf)


def test_given_statistics_are_those_of_their_block(x: Tensor) -> None:
    means = torch.tensor([[9.0, 9.0, 9.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    variances = torch.tensor([[9.0, 9.0, 9.0], [4.0, 1.0, 0.25]], dtype=torch.float64)
    found = by_statistics(Statistics(means, variances))(1, x, GAMMA, BETA)
    mean, deviation = means[1], (variances[1] + EPSILON).sqrt()
    expected = (x - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(found, expected * GAMMA[:, None, None] + BETA[:, None, None])


def test_what_is_recorded_is_what_torch_averages(x: Tensor) -> None:
    module = nn.BatchNorm2d(CHANNELS, momentum=1.0).double()
    module(x)
    found: list[Statistics] = []
    recording(found)(0, x, GAMMA, BETA)
    torch.testing.assert_close(found[0].mean, module.running_mean)
    torch.testing.assert_close(found[0].variance, module.running_var)


def test_a_learner_tells_its_normaliser_every_block() -> None:
    learner = Conv4((1, 16, 16), 2, Conv4Options(channels=4))
    theta = learner.initialise(torch.Generator().manual_seed(0))
    images = torch.rand(5, 1, 16, 16)
    found: list[Statistics] = []
    torch.testing.assert_close(learner(theta, images, recording(found)), learner(theta, images))
    assert [statistics.mean.shape for statistics in found] == [(4,)] * 4
    first = learner(theta, images, by_first(5))
    torch.testing.assert_close(first, learner(theta, images), rtol=1e-4, atol=1e-5)
