"""Tables of medians: what is beside each other may be compared, and what may not says so."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from mlbench.report.tables import left_out, summary_tables

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
    "statistic": "median",
    "algorithm": "turtle",
    "train_dataset": "mini",
    "eval_dataset": "cub",
    "ways": 5,
    "shots": 1,
    "settings": "",
    "runs": 5,
    "trimmed": 0,
    "diverged": 0,
    "untested": 0,
    "score": 0.47251,
    "low": 0.46,
    "high": 0.4801,
    "nan_episodes": 0,
    "incomplete": None,
}


def summary(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = {"incomplete": pl.String, "ways": pl.Int64}
    numbers = dict.fromkeys(("score", "low", "high"), pl.Float64)
    return pl.DataFrame([ROW | row for row in rows], schema_overrides={**schema, **numbers})


def test_a_table_has_its_conditions_on_top_and_medians_with_intervals() -> None:
    text = summary_tables(summary({}, {"algorithm": "maml", "runs": 1, "low": None, "high": None}))
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
    assert "whole range" not in summary_tables(summary({"runs": 6}))
    assert "whole range" not in summary_tables(summary({"runs": 1, "low": None, "high": None}))
    assert "whole range" in summary_tables(summary({"runs": 2}))


def test_another_protocol_or_budget_is_another_table() -> None:
    text = summary_tables(summary({}, {"protocol": "released"}, {"train_tasks": 40_000}))
    assert text.count("technique") == 3
    assert "released protocol" in text
    assert "40000 training tasks" in text


def test_incomplete_data_are_footnoted_once() -> None:
    note = "mini: 60 of 600 images a class"
    text = summary_tables(summary({"incomplete": note}, {"incomplete": note, "shots": 5}, {}))
    assert text.count("[1]") == 3
    assert text.endswith(f"[1] {note}; not comparable with published numbers")


def test_episodes_that_are_not_finite_are_footnoted() -> None:
    text = summary_tables(summary({"score": math.nan, "low": None, "nan_episodes": 3}))
    assert "nan" in text
    assert text.endswith("[1] 3 test episodes are not finite")


def test_a_regression_has_errors_and_no_ways() -> None:
    text = summary_tables(summary({"kind": "regression", "ways": None, "score": 0.67123}))
    assert "median MSE" in text
    assert "0.6712" in text
    assert "ways" not in text


def test_a_table_names_its_statistic_and_another_statistic_is_another_table() -> None:
    text = summary_tables(summary({}, {"statistic": "mean"}, {"statistic": "trimmed"}))
    assert text.count("technique") == 3
    for heading in ("median accuracy", "mean accuracy", "trimmed mean of medians, accuracy"):
        assert f"  {heading}  95 % interval" in text
    assert "whole range" in text  # of the median's


def test_only_the_median_is_said_to_have_the_range_as_its_interval() -> None:
    assert "whole range" not in summary_tables(summary({"statistic": "mean"}))
    assert "whole range" not in summary_tables(summary({"statistic": "trimmed"}))


def test_what_departs_from_a_protocol_is_in_the_heading() -> None:
    text = summary_tables(summary({"protocol": "released, replacement=false, restores=theta"}))
    assert text.startswith("released protocol with replacement=false, restores=theta, paper budget")


def test_runs_that_diverged_are_footnoted() -> None:
    text = summary_tables(
        summary(
            {"diverged": 2},
            {"algorithm": "maml", "runs": 3, "diverged": 2, "untested": 1},
            {"algorithm": "lstm"},
        )
    )
    assert "0.480  [1]" in text
    assert text.endswith(
        "[1] 2 of 5 runs diverged\n[2] 2 of 4 runs diverged, 1 with nothing to test"
    )


def test_a_row_of_runs_that_left_nothing_to_test_has_dashes() -> None:
    nothing = {"runs": 0, "diverged": 5, "untested": 5, "score": None, "low": None, "high": None}
    text = summary_tables(summary(nothing))
    assert text.splitlines()[3].split() == [
        *("turtle", "mini", "->", "cub", "5", "1", "0", "-", "-", "[1]")
    ]
    assert text.endswith("[1] 5 of 5 runs diverged, 5 with nothing to test")


def test_runs_that_the_statistic_drops_are_footnoted() -> None:
    text = summary_tables(summary({"statistic": "trimmed", "trimmed": 1}))
    assert text.endswith("[1] 1 of 5 runs dropped: beyond 1.5 interquartile ranges, or not finite")


def test_what_is_left_out_is_counted() -> None:
    runs = pl.DataFrame(
        {"status": ["finished", "failed", "running", "failed", "finished", "diverged"]}
    )
    results = pl.DataFrame({"run_id": ["a", "a", "b"]})
    assert (
        left_out(runs, results, results.head(1))
        == "Runs not counted: 2 failed, 1 running, 1 run again later."
    )
    assert left_out(runs.head(1), results, results) == ""
    assert left_out(runs.tail(1), results, results) == ""
