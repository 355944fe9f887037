"""Intervals against closed forms: the bootstrap distribution of a median is known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from mlbench.stats.intervals import (
    Interval,
    expanded,
    iqm_interval,
    mean_interval,
    median_interval,
    trimmed_interval,
)

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)


def exact_ends(n: int, confidence: float) -> tuple[int, int]:
    """Return which order statistics (from 0) end the bootstrap interval of a median; n is odd.

    The median of a resample is at most the k-th smallest value if (n + 1) / 2 of its draws are;
    each is with probability k / n (Efron, 1982, section 10.3).
    """
    ranks = np.arange(1, n + 1)
    below = stats.binom.sf((n - 1) // 2, n, ranks / n)
    tail = expanded(n, confidence)
    return int(np.argmax(below > tail)), int(np.argmax(below > 1 - tail))


@pytest.mark.parametrize("n", [3, 5, 7, 11, 19, 29])  # of no resample is the share near the tail
def test_the_interval_of_a_median_ends_at_the_exact_order_statistics(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    ordered = np.sort(values)
    low, high = exact_ends(n, 0.95)
    interval = median_interval(values.tolist())
    assert (interval.centre, interval.n) == (np.median(values), n)
    assert interval.low == ordered[low]
    assert interval.high == ordered[high]


def test_few_runs_give_their_whole_range() -> None:
    interval = median_interval([0.3, 0.1, 0.2, 0.5, 0.4])
    assert (interval.low, interval.centre, interval.high) == (0.1, 0.3, 0.5)


def test_the_interval_covers_the_true_median_as_often_as_it_says() -> None:
    n, rounds = 11, 4000
    low, high = exact_ends(n, 0.95)
    exact = stats.binom.cdf(high, n, 0.5) - stats.binom.cdf(low, n, 0.5)
    ordered = np.sort(np.random.default_rng(0).exponential(size=(rounds, n)), axis=1)
    covered = (ordered[:, low] <= math.log(2)) & (math.log(2) <= ordered[:, high])
    assert covered.mean() == pytest.approx(exact, abs=0.02)
    assert exact > 0.93
    some = [median_interval(row.tolist()) for row in ordered[:5]]
    assert [i.low for i in some] == ordered[:5, low].tolist()


@pytest.mark.parametrize("n", range(5, 200, 2))
def test_the_exact_coverage_of_the_median_is_at_least_93_in_100_from_5_runs_on(n: int) -> None:
    low, high = exact_ends(n, 0.95)
    exact = stats.binom.cdf(high, n, 0.5) - stats.binom.cdf(low, n, 0.5)
    assert 0.93 < exact < (0.97 if n > 50 else 0.985)


@pytest.mark.slow
def test_percentiles_are_those_of_students_t_with_the_spread_of_resamples() -> None:
    assert expanded(5, 0.95) == pytest.approx(stats.norm.cdf(-math.sqrt(5 / 4) * 2.776445))
    assert expanded(10**6, 0.95) == pytest.approx(0.025, rel=1e-4)


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    middle: np.ndarray = stats.trim_mean(values, 0.25, axis=axis)
    return middle


@pytest.mark.parametrize("n", [5, 9, 29])
@pytest.mark.parametrize(
    ("function", "statistic"), [(median_interval, np.median), (iqm_interval, interquartile_mean)]
)
def test_bootstrap_intervals_are_those_of_scipy(
    function: Callable[[list[float]], Interval], statistic: Callable[..., Any], n: int
) -> None:
    values = np.random.default_rng(n).normal(size=n)
    interval = function(values.tolist())
    theirs = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=30_000,
        confidence_level=1 - 2 * expanded(n, 0.95),
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert interval.centre == pytest.approx(statistic(values))
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=0.06)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 30])
def test_the_interquartile_mean_is_that_of_scipy(n: int) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    assert iqm_interval(values.tolist()).centre == pytest.approx(interquartile_mean(values))


def test_an_outlier_does_not_move_the_interquartile_mean() -> None:
    calm, wild = iqm_interval([1.0, 2.0, 3.0, 4.0, 5.0]), iqm_interval([1.0, 2.0, 3.0, 4.0, 5e6])
    assert (calm.centre, wild.centre) == (3.0, 3.0)
    assert wild.high == 5e6  # of so few it may be the truth


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_an_interval_holds_its_centre_and_lies_within_the_values(values: list[float]) -> None:
    interval = median_interval(values)
    assert interval.low is not None
    assert interval.high is not None
    assert min(values) <= interval.low <= interval.centre <= interval.high <= max(values)
    assert median_interval(values) == interval
    middle = iqm_interval(values)
    assert middle.low is not None
    assert middle.high is not None
    assert min(values) <= middle.low <= middle.centre <= middle.high <= max(values)
    assert iqm_interval(values[::-1]) == middle


@pytest.mark.parametrize("function", [median_interval, iqm_interval])
def test_equal_values_have_an_interval_of_no_width(
    function: Callable[[list[float]], Interval],
) -> None:
    interval = function([0.1] * 7)
    assert (interval.low, interval.centre, interval.high) == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("function", [median_interval, mean_interval, iqm_interval])
def test_one_value_and_values_that_are_not_finite_have_no_interval(function: object) -> None:
    assert callable(function)
    one = function([0.5])
    assert (one.centre, one.low, one.high, one.n) == (0.5, None, None, 1)
    odd = function([0.5, math.nan, 0.7])
    assert math.isnan(odd.centre)
    assert (odd.low, odd.high, odd.n) == (None, None, 3)
    endless = function([0.5, math.inf, 0.7])
    assert (endless.low, endless.high, endless.n) == (None, None, 3)
    with pytest.raises(ValueError, match="of no values"):
        function([])


def test_the_interval_of_a_mean_is_that_of_few_shot_papers() -> None:
    interval = mean_interval([1.0, 2.0, 3.0, 4.0])
    half_width = 1.96 * stats.sem([1.0, 2.0, 3.0, 4.0])
    assert interval.centre == 2.5
    assert interval.high == pytest.approx(2.5 + half_width)
    assert interval.low == pytest.approx(2.5 - half_width)


def test_a_trimmed_mean_is_that_of_the_values_within_its_fences() -> None:
    # quartiles of 1 to 4 and 100 are 2 and 4, so the fences stand at -1 and 7
    interval = trimmed_interval([100.0, 4.0, 3.0, 2.0, 1.0])
    half_width = 1.96 * math.sqrt(5 / 3) / math.sqrt(4)  # the deviation of 1 to 4, by n - 1
    assert (interval.centre, interval.n) == (2.5, 4)
    assert interval.low == pytest.approx(2.5 - half_width)
    assert interval.high == pytest.approx(2.5 + half_width)


@pytest.mark.parametrize(("outermost", "kept"), [(7.0, 5), (7.001, 4), (-1.0, 5), (-1.001, 4)])
def test_a_value_on_a_fence_stays_and_one_beyond_it_goes(outermost: float, kept: int) -> None:
    inner = [1.0, 2.0, 3.0, 4.0] if outermost > 0 else [5.0, 4.0, 3.0, 2.0]
    assert trimmed_interval([*inner, outermost]).n == kept


def test_what_is_not_finite_is_trimmed_before_the_quartiles_are_taken() -> None:
    interval = trimmed_interval([math.nan, 1.0, 2.0, 3.0, math.inf, -math.inf])
    assert interval == trimmed_interval([1.0, 2.0, 3.0])
    assert (interval.centre, interval.n) == (2.0, 3)
    nothing = trimmed_interval([math.nan, math.inf])
    assert math.isnan(nothing.centre)
    assert (nothing.low, nothing.high, nothing.n) == (None, None, 0)
    one = trimmed_interval([0.5])
    assert (one.centre, one.low, one.high, one.n) == (0.5, None, None, 1)
    with pytest.raises(ValueError, match="of no values"):
        trimmed_interval([])


@given(VALUES)
def test_trimming_keeps_at_least_half_of_the_values_and_no_outlier_moves_them(
    values: list[float],
) -> None:
    interval = trimmed_interval(values)
    assert len(values) / 2 <= interval.n <= len(values)
    assert min(values) - 1e-6 <= interval.centre <= max(values) + 1e-6
    mirrored = trimmed_interval([-value for value in values])
    assert mirrored.centre == pytest.approx(-interval.centre, rel=1e-9, abs=1e-6)
