"""Draws with replacement, the same for the same sizes, so that results depend on data alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9_999
CROSSED_RESAMPLES = 1_999
"""Of runs and episodes together, where a resample is thousands of numbers."""


@lru_cache(maxsize=16)
def sorted_draws(n: int, seed: int = 0) -> NDArray[np.int32]:
    """Return resamples of n sorted values as ranks from 0, ``(RESAMPLES, n)``, each sorted.

    Sorting ranks once serves every statistic of order that is taken of n values.
    """
    draws = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n), dtype=np.int32)
    draws.sort(axis=1)
    draws.flags.writeable = False
    return draws


@lru_cache(maxsize=8)
def shares(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Return each of n units' share in resamples, ``(CROSSED_RESAMPLES, n)``; rows sum to 1."""
    rows = CROSSED_RESAMPLES
    draws = np.random.default_rng(seed).integers(0, n, size=(rows, n))
    draws += n * np.arange(rows)[:, np.newaxis]
    counted = np.bincount(draws.ravel(), minlength=rows * n).reshape(rows, n)
    parts: NDArray[np.float64] = counted / n
    parts.flags.writeable = False
    return parts
