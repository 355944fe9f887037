"""The statistics over runs, by name; light, so that a command line can offer them."""

from __future__ import annotations

from typing import Literal, get_args

Statistic = Literal["median", "mean", "trimmed"]
"""How runs that differ in their seed alone become one number and its 95 % interval.

``median``: the median over runs of each run's mean over test episodes, with a bootstrap interval.
``mean``: the mean over runs of the same, ± 1.96 standard errors.
``trimmed``: what the authors' code calls the median: of each run's median over test episodes, runs
beyond 1.5 interquartile ranges are dropped; the mean over the others ± 1.96 standard errors.
"""
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
