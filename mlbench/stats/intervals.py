"""Intervals of a median, a mean or an interquartile mean over runs, or of a mean over episodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlbench.stats.resamples import sorted_draws
from mlbench.stats.student import normal_below, t_quantile

FENCE = 1.5  # interquartile ranges beyond the quartiles (Tukey, 1977)


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it.

    Args:
        centre: The estimate.
        low: Lower end; ``None`` where the data give no interval.
        high: Upper end; as ``low``.
        n: How many values it rests on.
    """

    centre: float
    low: float | None
    high: float | None
    n: int


def median_interval(
    values: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the median with its percentile bootstrap interval (Efron, 1982), expanded.

    :func:`expanded` says how. A single value has no interval, and neither have values that are not
    all finite. Seven values or fewer give their whole range at 95 %: a bootstrap cannot say more
    about so few.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("a median of no values")
    return bootstrapped(array, 0.5, confidence, seed)


def iqm_interval(values: Sequence[float], *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Return the interquartile mean (Agarwal et al., 2021) with its interval, as of a median.

    It is the mean of what is left when a quarter of the values, rounded down, is dropped from
    either end: of 5 values the middle 3, of fewer than 4 all. A single value has no interval, and
    neither have values that are not all finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("an interquartile mean of no values")
    return bootstrapped(array, 0.25, confidence, seed)


def bootstrapped(array: NDArray[np.float64], trim: float, confidence: float, seed: int) -> Interval:
    """Return a trimmed mean with its expanded percentile bootstrap interval.

    Args:
        array: The values, ``(n,)``.
        trim: The share that is dropped from either end; at a half the median is left.
        confidence: Of the interval.
        seed: Of the resamples.
    """
    n = len(array)
    if np.isnan(array).any():
        return Interval(math.nan, None, None, n)
    dropped = min(int(trim * n), (n - 1) // 2)
    ordered = np.sort(array)
    with np.errstate(invalid="ignore"):  # the mean of both infinities is NaN
        middle = ordered[dropped : n - dropped]
        centre = float(np.clip(middle.mean(), middle[0], middle[-1]))  # sums err by a last bit
    if n == 1 or not np.isfinite(array).all():
        return Interval(centre, None, None, n)
    means = ordered[sorted_draws(n, seed)[:, dropped : n - dropped]].mean(axis=1)
    tail = expanded(n, confidence)
    low, high = np.quantile(means, (tail, 1 - tail))
    low, high = np.clip(low, ordered[0], centre), np.clip(high, centre, ordered[-1])
    return Interval(centre, float(low), float(high), n)


@lru_cache(maxsize=256)
def expanded(n: int, confidence: float) -> float:
    """Return the share of resamples that an interval of n values leaves out at either end.

    Resamples of n values vary less than their source, by (n - 1) / n, and have the tails of a
    normal distribution where the source calls for Student's. Percentiles moved out by as much make
    up for both (Hesterberg, 2015): at 5 values from 2.5 to 0.1 %, at 30 to 1.9 %. Without it the
    interval of a median of 7 holds the truth 87 times in 100, with it at least 93 at any n from 5.
    """
    quantile = math.sqrt(n / (n - 1)) * t_quantile(n - 1, (1 + confidence) / 2)
    return normal_below(-quantile)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean ± 1.96 standard errors (n - 1), as few-shot papers give it over episodes.

    A single value has no interval, and neither have values that are not all finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("a mean of no values")
    centre = float(array.mean())
    if len(array) == 1 or not np.isfinite(array).all():
        return Interval(centre, None, None, len(array))
    half_width = 1.96 * float(array.std(ddof=1)) / math.sqrt(len(array))
    return Interval(centre, centre - half_width, centre + half_width, len(array))


def trimmed_interval(values: Sequence[float]) -> Interval:
    """Return the mean ± 1.96 standard errors of the values within 1.5 interquartile ranges.

    Quartiles are interpolated linearly, and a value on a fence stays. Values that are not finite
    are dropped before the quartiles are taken; ``n`` counts what is left. This is the statistic
    of the authors' released code.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("a trimmed mean of no values")
    array = array[np.isfinite(array)]
    if not len(array):
        return Interval(math.nan, None, None, 0)
    low, high = np.quantile(array, (0.25, 0.75))
    margin = FENCE * (high - low)
    within = (array >= low - margin) & (array <= high + margin)
    return mean_interval(array[within].tolist())
