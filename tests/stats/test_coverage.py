"""95 % intervals hold 93 to 97 of 100 simulated truths, or what they are said to hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlbench.stats import tested
from mlbench.stats import two_level as two_levels
from mlbench.stats.caveats import held
from mlbench.stats.names import Statistic
from tests.stats.coverage import (
    OVER_RUNS,
    SHAPES,
    STUDIES,
    Shape,
    over_runs,
    paired,
    resampled,
    two_level,
)

ERROR = 0.015  # two standard deviations of a share of 1 000 that is about .94


def test_studies_are_resampled_as_results_are() -> None:
    random = np.random.default_rng(0)
    tables = [STUDIES[1].scores(random, 5, 60, "normal") for _ in range(3)]
    for table, means in resampled(tables):
        run_by_run = two_levels.resampled(table)
        np.testing.assert_allclose(means, run_by_run, rtol=0, atol=1e-14)
        keys = np.arange(60, dtype=np.uint64)
        each = [tested.Tested(keys, run).resampled for run in table]
        np.testing.assert_allclose(means, each, rtol=0, atol=1e-14)


@pytest.mark.slow
def test_intervals_of_five_runs_hold_what_they_are_said_to() -> None:
    for statistic in OVER_RUNS:
        share = over_runs(statistic, 5, "normal")
        assert share == pytest.approx(held(statistic, 5), abs=0.04), statistic
    assert 0.93 - 0.005 <= over_runs("median", 5, "normal") <= 0.97
    assert 0.93 <= two_level(STUDIES[1], 5, 60, "normal", 400) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("runs", [20, 30])
@pytest.mark.parametrize("statistic", ["median", "iqm"])
def test_the_bootstrap_holds_93_to_97_in_100(statistic: Statistic, runs: int, shape: Shape) -> None:
    assert 0.93 <= over_runs(statistic, runs, shape) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("runs", [5, 6, 7, 8, 9, 10, 12, 15, 50])
@pytest.mark.parametrize("statistic", ["median", "iqm"])
def test_the_bootstrap_never_holds_much_less_from_five_runs_on(
    statistic: Statistic, runs: int, shape: Shape
) -> None:
    assert 0.93 - ERROR <= over_runs(statistic, runs, shape) <= 0.985 + ERROR / 2


@pytest.mark.slow
@pytest.mark.parametrize("runs", [30, 50])
def test_the_mean_of_many_runs_holds_93_to_97_in_100(runs: int) -> None:
    assert 0.93 <= over_runs("mean", runs, "normal", 4_000) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 50])
@pytest.mark.parametrize("statistic", ["mean", "trimmed"])
def test_normal_intervals_hold_what_they_are_said_to(statistic: Statistic, runs: int) -> None:
    share = held(statistic, runs)
    error = 3 * math.sqrt(share * (1 - share) / 1_000) + 0.005  # what is said is rounded
    assert over_runs(statistic, runs, "normal") == pytest.approx(share, abs=error)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2, 3])
def test_two_level_intervals_of_two_or_three_runs_hold_what_they_are_said_to(runs: int) -> None:
    share = two_level(STUDIES[1], runs, 600, "normal")
    assert share == pytest.approx(held("two-level", runs), abs=2 * ERROR)


@pytest.mark.slow
@pytest.mark.parametrize("function", [two_level, paired])
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
@pytest.mark.parametrize(("runs", "episodes"), [(1, 600), (5, 600), (5, 60), (10, 600), (30, 200)])
def test_two_level_intervals_hold_93_to_97_in_100(
    function: object, study: object, runs: int, episodes: int
) -> None:
    assert callable(function)
    assert 0.93 <= function(study, runs, episodes, "normal") <= 0.97
