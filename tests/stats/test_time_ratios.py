"""Ratios of the running times of techniques that took turns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from mlbench.stats.intervals import median_interval
from mlbench.stats.time_ratios import invert, time_ratios
from tests.stats.timed import five, frames, run


def test_a_ratio_is_the_median_over_pairs_of_one_seed() -> None:
    ours, theirs = [80.0, 90.0, 100.0, 110.0, 500.0], [40.0, 30.0, 50.0, 50.0, 50.0]
    times, results, hyperparameters = frames(
        *five("maml", ours),
        *(r | {"started": r["started"] + timedelta(seconds=50)} for r in five("turtle", theirs)),
    )
    (row,) = time_ratios(times, results, hyperparameters).iter_rows(named=True)
    interval = median_interval([a / b for a, b in zip(ours, theirs, strict=True)])
    assert (row["first"], row["second"], row["pairs"], row["apart"]) == ("maml", "turtle", 5, 50)
    expected = (2.2, interval.low, interval.high)
    assert (row["ratio"], row["low"], row["high"]) == pytest.approx(expected, rel=1e-12)


def test_an_hour_that_slows_both_leaves_the_ratio_alone() -> None:
    slow = [1.0, 1.0, 7.0, 7.0, 1.0]
    frame = time_ratios(
        *frames(*five("maml", [10 * s for s in slow]), *five("turtle", [20 * s for s in slow]))
    )
    assert frame.select("ratio", "low", "high").row(0) == pytest.approx((0.5, 0.5, 0.5), rel=1e-12)


def test_of_runs_of_one_seed_the_nearest_in_time_on_the_same_host_are_paired() -> None:
    runs = [
        run("a", after=1000, seconds=10.0),
        run("b", "turtle", after=0, seconds=1.0),
        run("c", "turtle", after=900, seconds=5.0),
        run("d", "turtle", after=1001, seconds=2.0, host="cirrus"),
    ]
    (row,) = time_ratios(*frames(*runs)).iter_rows(named=True)
    assert (row["pairs"], row["ratio"], row["apart"]) == (1, pytest.approx(2), 100)
    assert (row["low"], row["high"]) == (None, None)


@pytest.mark.parametrize(
    "told",
    [
        {"seed": 1},
        {"shots": 5},
        {"train_tasks": 40_000},
        {"train_fingerprint": "other"},
        {"status": "diverged"},
        {"precision": "bfloat16"},
    ],
)
def test_runs_that_did_other_work_are_not_paired(told: dict[str, Any]) -> None:
    assert time_ratios(*frames(run("a"), run("b", "turtle", **told))).is_empty()


def test_runs_tested_on_other_data_sets_are_not_paired() -> None:
    times, results, hyperparameters = frames(run("a"), run("b", "turtle"))
    fewer = results.filter(~((pl.col("run_id") == "b") & (pl.col("eval_dataset") == "cub")))
    assert len(time_ratios(times, results, hyperparameters)) == 1
    assert time_ratios(times, fewer, hyperparameters).is_empty()


def test_training_is_told_apart_from_the_whole() -> None:
    runs = [
        run("a", train_seconds=30.0),
        run("b", "turtle", train_seconds=10.0, seconds=50.0),
        run("c", "train_from_scratch", train_seconds=0.0, seconds=400.0),
    ]
    frame = time_ratios(*frames(*runs), baseline="maml").sort("first")
    assert frame["first"].to_list() == ["train_from_scratch", "turtle"]
    assert frame["ratio"].to_list() == pytest.approx([4, 0.5], rel=1e-12)
    assert frame["train_ratio"].to_list() == [None, pytest.approx(1 / 3, rel=1e-12)]


def test_turned_round_a_pair_has_the_inverse() -> None:
    first, second = [80.0, 90.0, 100.0, 200.0], [40.0, 30.0, 60.0, 50.0]
    frame = time_ratios(*frames(*five("maml", first), *five("turtle", second)))
    turned = time_ratios(*frames(*five("zeta", first), *five("turtle", second)))
    assert turned["first"].to_list() == ["turtle"]
    numbers = ("ratio", "low", "high", "train_ratio", "train_low", "train_high")
    (ours,), (theirs,) = frame.select(numbers).rows(), invert(turned).select(numbers).rows()
    assert ours == pytest.approx(theirs, rel=1e-12)
    assert ours[:3] == pytest.approx((6**0.5, 5 / 3, 4), rel=1e-12)
    named = invert(frame).select("first", "second", "pairs").row(0)
    assert named == ("turtle", "maml", 4)


def test_with_a_baseline_the_others_come_first() -> None:
    runs = [run(name, name) for name in ("lstm", "maml", "turtle")]
    frame = time_ratios(*frames(*runs), baseline="maml")
    assert frame.select("first", "second").rows() == [("lstm", "maml"), ("turtle", "maml")]
