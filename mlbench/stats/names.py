"""The statistics over runs, by name; light, so that a command line can offer them."""

from __future__ import annotations

from typing import Literal, get_args

Statistic = Literal["median", "mean", "trimmed", "iqm", "two-level"]
"""How runs that differ in their seed alone become one number and its 95 % interval.

``median``: the median over runs of each run's mean over test episodes, with a bootstrap interval.
``mean``: the mean over runs of the same, ± 1.96 standard errors.
``trimmed``: what the authors' code calls the median: of each run's median over test episodes, runs
beyond 1.5 interquartile ranges are dropped; the mean over the others ± 1.96 standard errors.
``iqm``: the mean over the middle half of the runs, of each run's mean over test episodes.
``two-level``: the mean over runs and test episodes, with an interval that allows for both.
"""
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

PHRASES: dict[Statistic, str] = {
    "median": "median over runs, bootstrap 95 % interval",
    "mean": "mean over runs ± 1.96 standard errors",
    "trimmed": "trimmed mean of medians (released code) ± 1.96 standard errors",
    "iqm": "interquartile mean over runs, bootstrap 95 % interval",
    "two-level": "mean over runs and episodes, two-level bootstrap 95 % interval",
}
"""What every table, figure and report says of its numbers; docs/statistics.md says the rest."""
