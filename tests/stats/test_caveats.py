"""What is said of few runs is what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench.stats.caveats import WHOLE_RANGE, caveat, held, stacking, untimed
from mlbench.stats.intervals import iqm_interval, median_interval
from mlbench.stats.names import PHRASES, STATISTICS, Statistic

FUNCTIONS = {"median": median_interval, "iqm": iqm_interval}


@pytest.mark.parametrize("statistic", ["median", "iqm"])
@pytest.mark.parametrize("runs", [2, 3, 4, 5, 6, 7, 8, 9])
def test_the_range_is_said_to_be_the_interval_where_it_is(statistic: Statistic, runs: int) -> None:
    interval = FUNCTIONS[statistic](np.arange(1.0, runs + 1).tolist())
    whole = (interval.low, interval.high) == (1.0, runs)
    assert whole == (runs <= WHOLE_RANGE[statistic])
    assert whole == ("their whole range" in caveat(statistic, runs))


@pytest.mark.parametrize(
    ("statistic", "runs", "said"),
    [
        ("median", 5, "5 runs: the interval is their whole range"),
        (
            "median",
            3,
            "3 runs: the interval is their whole range and holds the truth 75 times in 100",
        ),
        ("median", 30, ""),
        ("mean", 5, "5 runs: the interval holds the truth 88 times in 100"),
        ("mean", 30, ""),
        ("trimmed", 5, "5 runs: the interval holds the truth 72 times in 100"),
        ("iqm", 30, ""),
        ("two-level", 2, "2 runs: the interval holds the truth 88 times in 100"),
        ("two-level", 5, ""),
        ("two-level", 1, "1 run: the interval is over episodes alone"),
        ("median", 1, "1 run: no interval"),
        ("mean", 0, ""),
    ],
)
def test_few_runs_are_said_to_be_few(statistic: Statistic, runs: int, said: str) -> None:
    assert caveat(statistic, runs) == said


@pytest.mark.parametrize(
    ("stacked", "precision", "said"),
    [
        (0, "float32", ""),
        (
            2,
            "float32",
            "2 of 5 runs computed stacked, in float32: equal to runs alone statistically, not digit"
            " by digit",
        ),
        (
            5,
            "float32",
            "all runs computed stacked, in float32: equal to runs alone statistically, not digit"
            " by digit",
        ),
        (2, "float64", "2 of 5 runs computed stacked, the others alone: equal to 1e-10"),
        (5, "float64", ""),
    ],
)
def test_what_stacking_means_for_scores_depends_on_the_precision(
    stacked: int, precision: str, said: str
) -> None:
    assert stacking(stacked, 5, precision) == said


def test_runs_that_cannot_be_timed_are_counted_with_the_reason() -> None:
    assert untimed(0) == ""
    assert untimed(1) == "1 run not timed: its attempts computed unequal numbers of runs at once"
    assert untimed(2).startswith("2 runs not timed: their attempts")


@pytest.mark.parametrize("statistic", STATISTICS)
def test_what_is_said_to_be_held_never_exceeds_what_the_interval_is_called(
    statistic: Statistic,
) -> None:
    assert all(0.49 < held(statistic, runs) <= 0.95 for runs in range(2, 120))


def test_every_statistic_has_a_phrase_that_names_its_interval() -> None:
    assert list(PHRASES) == list(STATISTICS)
    for phrase in PHRASES.values():
        assert "interval" in phrase or "± 1.96 standard errors" in phrase
    assert len(set(PHRASES.values())) == len(PHRASES)
