"""Long tables: what is below each other may be compared, and what may not says so."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from mlbench.report.tables.long import long_text
from mlbench.report.tables.tidy import with_printed
from mlbench.report.tables.words import left_out
from mlbench.stats.caveats import caveat, stacking
from mlbench.stats.names import PHRASES, STATISTICS

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
    "stacked_runs": 0,
    "incomplete": None,
}


def summary(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = {"incomplete": pl.String, "ways": pl.Int64}
    numbers = dict.fromkeys(("score", "low", "high"), pl.Float64)
    return pl.DataFrame([ROW | row for row in rows], schema_overrides={**schema, **numbers})


def test_a_table_has_its_conditions_on_top_and_numbers_with_intervals() -> None:
    text = long_text(summary({}, {"algorithm": "maml", "runs": 1, "low": None, "high": None}))
    assert text.splitlines() == [
        "5-way classification, corrected protocol, paper budget: 60000 training tasks, 600"
        " validation tasks every 2500, 600 test tasks; 16 queries, float32.",
        "Accuracy, median over runs, bootstrap 95 % interval.",
        "",
        "technique  train -> eval  ways  shots  runs  score  95 % interval",
        "---------  -------------  ----  -----  ----  -----  --------------",
        "turtle     mini -> cub       5      1     5  0.473  0.460 to 0.480",
        "maml       mini -> cub       5      1     1  0.473  -",
        "",
        "1 run: no interval. 5 runs: the interval is their whole range.",
    ]


def test_how_far_few_runs_carry_is_said_of_each_number_of_them() -> None:
    few = long_text(
        summary({"runs": 5}, {"runs": 3}, {"runs": 5}, {"runs": 2, "statistic": "mean"})
    )
    assert f"{caveat('median', 3)}. {caveat('median', 5)}." in few.splitlines()
    assert f"{caveat('mean', 2)}." in few.splitlines()
    assert long_text(summary({"runs": 50})).splitlines()[-1].startswith("turtle")


def test_another_protocol_or_budget_is_another_table() -> None:
    text = long_text(summary({}, {"protocol": "released"}, {"train_tasks": 40_000}))
    assert text.count("technique") == 3
    assert "released protocol" in text
    assert "40000 training tasks" in text


def test_ways_that_differ_are_not_in_the_heading() -> None:
    assert long_text(summary({}, {"ways": 20})).startswith("classification, corrected")


def test_incomplete_data_are_footnoted_once() -> None:
    note = "mini: 60 of 600 images a class"
    text = long_text(summary({"incomplete": note}, {"incomplete": note, "shots": 5}, {}))
    assert text.count("(1)") == 3
    assert text.endswith(f"\n(1) {note}; not comparable with published numbers.")


def test_episodes_that_are_not_finite_are_footnoted() -> None:
    text = long_text(summary({"score": math.nan, "low": None, "nan_episodes": 3}))
    assert "nan" in text
    assert text.endswith("\n(1) 3 test episodes are not finite.")


def test_runs_that_were_stacked_are_footnoted_where_that_shows_in_the_numbers() -> None:
    text = long_text(summary({"stacked_runs": 5}))
    said = stacking(5, 5, "float32")
    assert text.endswith(f"\n(1) {said}.")
    assert "stacked" not in long_text(summary({"stacked_runs": 5, "precision": "float64"}))


def test_a_regression_has_errors_and_no_ways() -> None:
    text = long_text(summary({"kind": "regression", "ways": None, "score": 0.67123}))
    assert "Mean squared error, median" in text
    assert "0.6712" in text
    assert "ways" not in text


def test_a_table_names_its_statistic_and_another_statistic_is_another_table() -> None:
    text = long_text(summary(*({"statistic": name} for name in STATISTICS)))
    assert text.count("technique") == len(STATISTICS)
    for phrase in PHRASES.values():
        assert f"Accuracy, {phrase}." in text


def test_what_departs_from_a_protocol_is_in_the_heading() -> None:
    text = long_text(summary({"protocol": "released, replacement=false, restores=theta"}))
    assert "released protocol with replacement=false, restores=theta, paper budget" in text


def test_runs_that_diverged_are_footnoted() -> None:
    text = long_text(
        summary(
            {"diverged": 2},
            {"algorithm": "maml", "runs": 3, "diverged": 2, "untested": 1},
            {"algorithm": "lstm"},
        )
    )
    assert "0.480  (1)" in text
    assert text.endswith(
        "(1) 2 of 5 runs diverged.\n(2) 2 of 4 runs diverged, 1 with nothing to test."
    )


def test_a_row_of_runs_that_left_nothing_to_test_has_dashes() -> None:
    nothing = {"runs": 0, "diverged": 5, "untested": 5, "score": None, "low": None, "high": None}
    text = long_text(summary(nothing))
    assert text.splitlines()[5].split() == [
        *("turtle", "mini", "->", "cub", "5", "1", "0", "-", "-", "(1)")
    ]
    assert text.endswith("\n(1) 5 of 5 runs diverged, 5 with nothing to test.")


def test_runs_that_the_statistic_drops_are_footnoted() -> None:
    text = long_text(summary({"statistic": "trimmed", "trimmed": 1}))
    assert text.endswith(
        "\n(1) 1 of 5 runs dropped: beyond 1.5 interquartile ranges, or not finite."
    )


def test_the_printed_number_and_the_difference_are_beside_each_row() -> None:
    lines = long_text(with_printed(summary({"shots": 5}, {"algorithm": "anil"}))).splitlines()
    assert lines[3].split()[-2:] == ["paper", "difference"]
    assert lines[5].split()[-2:] == ["0.56", "-0.087"]
    assert lines[6].endswith("to 0.480")


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
