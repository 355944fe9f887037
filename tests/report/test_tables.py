"""Tables of medians: what is beside each other may be compared, and what may not says so."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from mlbench.report.tables import left_out, median_tables

ROW: dict[str, Any] = {
    "kind": "classification",
    "protocol": "corrected",
    "budget": "paper",
    "train_tasks": 60_000,
    "validation_tasks": 600,
    "validate_every": 2_500,
    "test_tasks": 600,
    "queries": 16,
    "precision": "float32",
    "algorithm": "turtle",
    "train_dataset": "mini",
    "eval_dataset": "cub",
    "ways": 5,
    "shots": 1,
    "settings": "",
    "runs": 5,
    "score": 0.47251,
    "low": 0.46,
    "high": 0.4801,
    "nan_episodes": 0,
    "incomplete": None,
}


def summary(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = {"incomplete": pl.String, "ways": pl.Int64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame([ROW | row for row in rows], schema_overrides=schema)


def test_a_table_has_its_conditions_on_top_and_medians_with_intervals() -> None:
    text = median_tables(summary({}, {"algorithm": "maml", "runs": 1, "low": None, "high": None}))
    assert text.splitlines() == [
        "corrected protocol, paper budget: 60000 training tasks, 600 validation tasks every 2500,"
        " 600 test tasks; 16 queries, float32",
        "technique  train -> eval  ways  shots  runs  median accuracy  95 % interval",
        "---------  -------------  ----  -----  ----  ---------------  --------------",
        "turtle     mini -> cub       5      1     5            0.473  0.460 to 0.480",
        "maml       mini -> cub       5      1     1            0.473  -",
        "",
        "The interval of 5 runs or fewer is their whole range.",
    ]


def test_an_interval_of_many_runs_is_not_called_a_range() -> None:
    assert "whole range" not in median_tables(summary({"runs": 6}))
    assert "whole range" not in median_tables(summary({"runs": 1, "low": None, "high": None}))
    assert "whole range" in median_tables(summary({"runs": 2}))


def test_another_protocol_or_budget_is_another_table() -> None:
    text = median_tables(summary({}, {"protocol": "released"}, {"train_tasks": 40_000}))
    assert text.count("technique") == 3
    assert "released protocol" in text
    assert "40000 training tasks" in text


def test_incomplete_data_are_footnoted_once() -> None:
    note = "mini: 60 of 600 images a class"
    text = median_tables(summary({"incomplete": note}, {"incomplete": note, "shots": 5}, {}))
    assert text.count("[1]") == 3
    assert text.endswith(f"[1] {note}; not comparable with published numbers")


def test_episodes_that_are_not_finite_are_footnoted() -> None:
    text = median_tables(summary({"score": math.nan, "low": None, "nan_episodes": 3}))
    assert "nan" in text
    assert text.endswith("[1] 3 test episodes are not finite")


def test_a_regression_has_errors_and_no_ways() -> None:
    text = median_tables(summary({"kind": "regression", "ways": None, "score": 0.67123}))
    assert "median MSE" in text
    assert "0.6712" in text
    assert "ways" not in text


def test_what_is_left_out_is_counted() -> None:
    runs = pl.DataFrame({"status": ["finished", "failed", "running", "failed", "finished"]})
    finished = pl.DataFrame({"run_id": ["a", "a", "b"]})
    assert (
        left_out(runs, finished, finished.head(1))
        == "Runs not counted: 2 failed, 1 running, 1 finished, but run again later."
    )
    assert left_out(runs.head(1), finished, finished) == ""
