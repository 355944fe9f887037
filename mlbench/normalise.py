"""Which statistics batch-norm uses; the affine part is the learner's.

A normaliser is told the block, its input ``(n, channels, height, width)``, γ and β, and returns
the normalised input. Variances are those of the batch, not of a population (no n - 1), but for
the running ones, which are kept as torch keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Normaliser = Callable[[int, Tensor, Tensor, Tensor], Tensor]
EPSILON = 1e-5  # added to the variance, as torch does


class Statistics(NamedTuple):
    """Mean and variance of each channel of each block, ``(blocks, channels)`` each."""

    mean: Tensor
    variance: Tensor


def by_batch(_block: int, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Use the statistics of the batch at hand."""
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)


def by_first(count: int) -> Normaliser:
    """Use the statistics of the first ``count`` examples for all; they are differentiated too."""

    def normalise(_block: int, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x[:count], (0, 2, 3), correction=0)
        scale = gamma * torch.rsqrt(variance + EPSILON)
        return x * scale[:, None, None] + (beta - mean * scale)[:, None, None]

    return normalise


def by_statistics(statistics: Statistics) -> Normaliser:
    """Use given statistics, as constants."""

    def normalise(block: int, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        mean, variance = statistics.mean[block], statistics.variance[block]
        return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=EPSILON)

    return normalise


def recording(found: list[Statistics]) -> Normaliser:
    """Use the statistics of the batch, and append each block's to ``found``, ``(channels,)``.

    The variance is the unbiased one, as torch keeps it in running averages.
    """

    def normalise(block: int, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x.detach(), (0, 2, 3))
        found.append(Statistics(mean, variance))
        return by_batch(block, x, gamma, beta)

    return normalise
