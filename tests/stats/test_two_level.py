"""Means over runs and episodes: closed forms, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from mlbench.stats.resamples import shares
from mlbench.stats.two_level import half_width, resampled, two_level_interval

SIDES = st.tuples(st.integers(1, 6), st.integers(1, 9)).filter(lambda sides: max(sides) > 1)
SCORES = SIDES.flatmap(
    lambda sides: arrays(np.float64, sides, elements=st.integers(0, 80).map(lambda k: k / 80))
)


def made(runs: int, episodes: int, seed: int = 0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(runs, 1)) + random.normal(size=episodes)
    both: NDArray[np.float64] = scores + random.normal(size=(runs, episodes))
    return both


def test_a_resample_is_rows_and_columns_drawn_with_replacement() -> None:
    assert shares(7).shape == (len(shares(600)), 7)
    assert np.allclose(shares(7).sum(axis=1), 1)
    assert np.allclose(shares(7) * 7, np.round(shares(7) * 7))
    # The variance of a resampled mean is the variance of the values by n (Efron, 1982).
    values = made(1, 40)
    means = resampled(values)
    assert means.var() == pytest.approx(values.var() / 40, rel=0.1)
    drawn = np.round(shares(40)[0] * 40).astype(int)
    assert means[0, 0] == pytest.approx(np.repeat(values[0], drawn).mean())


def test_the_half_width_over_one_run_is_that_of_students_t_over_episodes() -> None:
    scores = made(1, 50)
    theirs = stats.t.interval(0.95, 49, loc=scores.mean(), scale=stats.sem(scores[0]))
    assert half_width(scores, 0.975) == pytest.approx((theirs[1] - theirs[0]) / 2)


def test_the_half_width_over_one_episode_is_that_of_students_t_over_runs() -> None:
    scores = made(6, 1)
    theirs = stats.t.interval(0.95, 5, loc=scores.mean(), scale=stats.sem(scores[:, 0]))
    assert half_width(scores, 0.975) == pytest.approx((theirs[1] - theirs[0]) / 2)


def test_runs_that_agree_on_every_episode_are_one_run() -> None:
    one = made(1, 50)
    assert half_width(np.repeat(one, 5, axis=0), 0.975) == pytest.approx(half_width(one, 0.975))


def test_episodes_on_which_all_runs_do_alike_tell_of_runs_alone() -> None:
    level = np.random.default_rng(3).normal(size=(5, 1))
    theirs = stats.t.interval(0.95, 4, scale=stats.sem(level[:, 0]))
    assert half_width(np.repeat(level, 100, axis=1), 0.975) == pytest.approx(theirs[1])


def test_of_many_runs_and_episodes_the_variances_of_their_means_add_up() -> None:
    scores = made(40, 600)
    of_runs, of_episodes = scores.mean(axis=1).var(ddof=1), scores.mean(axis=0).var(ddof=1)
    variance = of_runs / 40 + of_episodes / 600
    assert half_width(scores, 0.975) == pytest.approx(2.02 * math.sqrt(variance), rel=0.02)


def test_many_of_both_need_no_stretching() -> None:
    scores = made(60, 900)
    interval = two_level_interval(scores)
    resamples = (shares(60, seed=1) * resampled(scores).T).sum(axis=1)
    assert interval.low is not None
    assert interval.high is not None
    plain = np.quantile(resamples, (0.025, 0.975))
    assert (interval.low, interval.high) == pytest.approx(plain, abs=0.06 * np.ptp(plain))


def test_five_runs_get_more_than_the_quantiles_of_their_resamples() -> None:
    scores = np.random.default_rng(2).normal(size=(5, 1)) + made(5, 600) / 10
    interval = two_level_interval(scores)
    resamples = (shares(5, seed=1) * resampled(scores).T).sum(axis=1)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.high - interval.low > 1.4 * np.ptp(np.quantile(resamples, (0.025, 0.975)))


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_an_interval_holds_its_mean_and_mirrors_with_it(scores: NDArray[np.float64]) -> None:
    interval, mirrored = two_level_interval(scores), two_level_interval(-scores)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= interval.centre == scores.mean() <= interval.high
    assert mirrored.low == pytest.approx(-interval.high, abs=1e-9)
    assert mirrored.high == pytest.approx(-interval.low, abs=1e-9)
    assert two_level_interval(scores) == interval
    known = two_level_interval(scores, resampled(scores))
    assert known == interval


def test_equal_scores_have_an_interval_of_no_width() -> None:
    interval = two_level_interval(np.full((5, 60), 0.25))
    assert (interval.low, interval.centre, interval.high) == (0.25, 0.25, 0.25)


def test_one_score_and_scores_that_are_not_finite_have_no_interval() -> None:
    one = two_level_interval(np.array([[0.5]]))
    assert (one.centre, one.low, one.high, one.n) == (0.5, None, None, 1)
    for odd in (math.nan, math.inf):
        scores = made(3, 4)
        scores[1, 2] = odd
        interval = two_level_interval(scores)
        assert not math.isfinite(interval.centre)
        assert (interval.low, interval.high, interval.n) == (None, None, 3)
    assert math.isnan(two_level_interval(np.array([[math.inf, -math.inf]])).centre)
