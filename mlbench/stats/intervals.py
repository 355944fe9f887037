"""Intervals of a median or a mean over runs, and of a mean over episodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

RESAMPLES = 9_999
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
    """Return the median with its percentile bootstrap interval (Efron, 1982).

    A single value has no interval, and neither have values that are not all finite. Five values
    or fewer give their whole range at 95 %: a bootstrap cannot say more about so few.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("a median of no values")
    centre = float(np.median(array))
    if len(array) == 1 or not np.isfinite(array).all():
        return Interval(centre, None, None, len(array))
    ends = stats.bootstrap(
        (array,),
        np.median,
        n_resamples=RESAMPLES,
        batch=max(1, 1_000_000 // len(array)),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    low = np.clip(ends.low, array.min(), centre)  # interpolation overshoots by a last bit
    high = np.clip(ends.high, centre, array.max())
    return Interval(centre, float(low), float(high), len(array))


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
