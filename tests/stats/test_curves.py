"""Validations and training losses pooled over runs."""

from __future__ import annotations

import math

import polars as pl
import pytest

from mlbench.stats.curves import best_validations, pool, training_curves
from mlbench.stats.intervals import mean_interval, median_interval


@pytest.mark.parametrize(
    ("statistic", "estimate"), [("median", median_interval), ("mean", mean_interval)]
)
def test_what_is_pooled_is_estimated_as_named(statistic, estimate) -> None:  # type: ignore[no-untyped-def]
    values = [0.2, 0.5, 0.6]
    frame = pl.DataFrame({"tasks": [0, 0, 0, 100], "value": [*values, 0.7]})
    pooled = pool(frame, ["tasks"], "value", statistic)
    wanted = estimate(values)
    assert pooled.rows() == [
        (0, 3, wanted.centre, wanted.low, wanted.high),
        (100, 1, 0.7, None, None),
    ]


def test_runs_without_a_value_are_left_out_and_nan_is_not() -> None:
    frame = pl.DataFrame({"tasks": [0, 0, 1], "value": [0.5, None, math.nan]})
    pooled = pool(frame, ["tasks"], "value", "median")
    assert pooled["runs"].to_list() == [1, 1]
    assert pooled["score"][0] == 0.5
    assert math.isnan(pooled["score"][1])


def test_the_best_validation_is_the_last_that_was_strictly_better() -> None:
    curves = pl.DataFrame(
        {
            "run_id": ["a"] * 4 + ["b"],
            "phase": ["validation"] * 5,
            "tasks": [0, 100, 200, 300, 0],
            "score": [0.2, 0.6, 0.5, 0.6, math.nan],
            "best": [True, True, False, False, False],
        }
    )
    assert best_validations(curves).rows() == [("a", 100, 0.6)]


def test_training_is_in_some_fifty_windows_of_equally_many_tasks() -> None:
    tasks = list(range(1, 201))
    curves = pl.DataFrame(
        {
            "run_id": [run for run in "ab" for _ in tasks],
            "phase": "train",
            "train_tasks": 200,
            "tasks": tasks * 2,
            "loss": [float(task) for task in tasks] + [float(task) + 2 for task in tasks],
        }
    )
    windows = training_curves(curves.with_columns(name=pl.lit("x")), ["name"], "mean")
    assert len(windows) == 50
    assert windows.row(0, named=True) == {"name": "x", "tasks": 4, "runs": 2, "loss": 3.5}
