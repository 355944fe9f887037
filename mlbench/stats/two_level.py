"""Means over runs and episodes, with intervals that allow for both.

Runs and test episodes are crossed: every run met every episode. Their mean therefore varies with
the runs, with the episodes and with what is particular to a run on an episode, and to resample
episodes anew within each run would hide that all runs met the same ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mlbench.stats.intervals import Interval
from mlbench.stats.resamples import shares
from mlbench.stats.tested import Scores


def two_level_interval(
    scores: Scores, by_run: Scores | None = None, *, confidence: float = 0.95
) -> Interval:
    """Return the mean over runs and episodes with its two-level bootstrap interval.

    Runs and episodes are drawn with replacement independently, and a resample is the drawn rows ×
    the drawn columns (the pigeonhole bootstrap: Owen, 2007). Its quantiles give the interval its
    shape, and :func:`half_width` its width: few runs vary less among themselves than runs do, so
    that the quantiles themselves would hold the truth too rarely.

    Of one run the interval is over episodes alone. Scores that are not all finite, and a single
    one, have no interval.

    Args:
        scores: ``(runs, episodes)``; all runs met the same episodes.
        by_run: :func:`resampled` of them, ``(runs, resamples)``, if known.
        confidence: Of the interval.
    """
    from scipy import special  # type: ignore[import-untyped]  # slow to import, used here alone

    runs = len(scores)
    if not np.isfinite(scores).all():
        with np.errstate(invalid="ignore"):  # the mean of both infinities is NaN
            return Interval(float(np.mean(scores)), None, None, runs)
    centre = float(scores.mean())
    if scores.size == 1:
        return Interval(centre, None, None, runs)
    by_run = resampled(scores) if by_run is None else by_run
    means = (shares(runs, seed=1) * by_run.T).sum(axis=1) - centre
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.quantile(means, tails)
    normal = float(special.ndtri(tails[1]) * means.std())
    stretch = half_width(scores, tails[1]) / normal if normal > 0 else 0.0
    ends = centre + stretch * min(low, 0.0), centre + stretch * max(high, 0.0)
    return Interval(centre, float(ends[0]), float(ends[1]), runs)


def resampled(scores: Scores) -> NDArray[np.float64]:
    """Return each run's mean over the episodes of each resample, ``(runs, resamples)``.

    Args:
        scores: ``(runs, episodes)``.
    """
    # Run by run, so that a run's means do not depend on which others it is asked of with.
    return np.stack([shares(scores.shape[1]) @ run for run in scores])


def half_width(scores: Scores, quantile: float) -> float:
    """Return half the width of the t interval of the mean, for normal run and episode effects.

    With mean squares of runs A, of episodes B and of the rest C, the mean of R × E scores has
    variance (A + B - C) / RE, here no less than runs or episodes alone would give it, and the
    degrees of freedom of Satterthwaite (1946).

    Args:
        scores: ``(runs, episodes)``.
        quantile: Of Student's t, such as .975.
    """
    from scipy import special

    runs, episodes = scores.shape
    deviations = scores - scores.mean()
    of_runs = deviations.mean(axis=1, keepdims=True)
    of_episodes = deviations.mean(axis=0, keepdims=True)
    rest = deviations - of_runs - of_episodes
    # A single run, or a single episode, does not vary: its sum of squares is 0.
    freedom = np.maximum(1, [runs - 1, episodes - 1, (runs - 1) * (episodes - 1)])
    squares = [
        episodes * np.square(of_runs).sum(),
        runs * np.square(of_episodes).sum(),
        np.square(rest).sum(),
    ]
    a, b, c = means = np.array(squares) / freedom
    total = float(max(a + b - c, a, b))
    if total == 0:
        return 0.0
    degrees = total**2 / float((np.square(means) / freedom).sum())
    return float(special.stdtrit(degrees, quantile)) * math.sqrt(total / scores.size)
