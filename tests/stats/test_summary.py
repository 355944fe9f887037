"""What may be pooled is, and nothing else."""

from __future__ import annotations

import math
from datetime import datetime
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import numpy as np
import polars as pl
import pytest

from mlbench.run.spec import Protocol
from mlbench.stats.names import STATISTICS, Statistic
from mlbench.stats.summary import latest, summarise
from mlbench.stats.two_level import two_level_interval
from tests.stats.made import RESULT

SETTINGS_SCHEMA = ["run_id", "part", "name", "value"]
NO_SETTINGS = pl.DataFrame(schema=dict.fromkeys(SETTINGS_SCHEMA, pl.String))


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = {"incomplete": pl.String, "ways": pl.Int64, "score": pl.Float64}
    schema["stacked"] = pl.Int64
    return pl.DataFrame([RESULT | row for row in rows], schema_overrides=schema)


def test_runs_that_differ_in_seed_are_pooled_to_their_median() -> None:
    runs = [
        {"run_id": f"r{i}", "seed": i, "score": score} for i, score in enumerate([0.1, 0.9, 0.4])
    ]
    summary = summarise(frame(*runs), NO_SETTINGS)
    row = summary.row(0, named=True)
    assert len(summary) == 1
    assert (row["runs"], row["score"], row["low"], row["high"]) == (3, 0.4, 0.1, 0.9)
    assert row["settings"] == ""


def test_runs_that_one_program_computed_with_others_are_counted_and_pooled_with_the_rest() -> None:
    widths: list[tuple[int | None, float | None]] = [
        (1, 0.25), (30, 0.5), (None, 0.75), (30, None)
    ]  # fmt: skip
    runs = [
        {"run_id": f"r{seed}", "seed": seed, "stacked": stacked, "score": score}
        for seed, (stacked, score) in enumerate(widths)
    ]
    (row,) = summarise(frame(*runs), NO_SETTINGS).iter_rows(named=True)
    assert (row["runs"], row["untested"], row["stacked_runs"], row["score"]) == (3, 1, 2, 0.5)


def met(**scores: list[float]) -> pl.DataFrame:
    """Return the test episodes of runs, all on the same ones."""
    rows = [
        (run, "cub", 70 + place, score)
        for run, each in scores.items()
        for place, score in enumerate(each)
    ]
    names = ("run_id", "eval_dataset", "episode_key", "score")
    types = (pl.String, pl.String, pl.UInt64, pl.Float64)
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


FIVE = [
    {"run_id": f"r{seed}", "seed": seed, "score": score, "score_median": middle}
    for seed, (score, middle) in enumerate(
        zip([0.1, 0.2, 0.6, 0.3, 0.3], [1.0, 2.0, 100.0, 3.0, 4.0], strict=True)
    )
]
"""Runs whose means over episodes have mean and median .3; one of their medians is an outlier."""


@pytest.mark.parametrize(
    ("statistic", "centre", "half_width", "trimmed"),
    [
        ("median", 0.3, None, 0),
        ("mean", 0.3, 1.96 * math.sqrt(0.14 / 4) / math.sqrt(5), 0),
        ("trimmed", 2.5, 1.96 * math.sqrt(5 / 3) / math.sqrt(4), 1),
        ("iqm", 0.8 / 3, None, 0),
    ],
)
def test_runs_are_summarised_by_their_protocols_statistic_or_the_one_asked_for(
    statistic: Statistic, centre: float, half_width: float | None, trimmed: int
) -> None:
    own = summarise(frame(*(run | {"statistic": statistic} for run in FIVE)), NO_SETTINGS)
    asked = summarise(frame(*FIVE), NO_SETTINGS, statistic)
    assert own.equals(asked)
    (row,) = own.iter_rows(named=True)
    assert (row["statistic"], row["runs"], row["trimmed"]) == (statistic, 5, trimmed)
    assert row["score"] == pytest.approx(centre)
    ends = (0.1, 0.6) if half_width is None else (centre - half_width, centre + half_width)
    assert (row["low"], row["high"]) == pytest.approx(ends)


def test_every_statistic_that_a_protocol_may_ask_for_is_known() -> None:
    assert set(get_args(get_type_hints(Protocol)["statistic"])) <= set(STATISTICS)


def test_runs_that_diverged_count_if_they_were_tested_and_are_told_if_not() -> None:
    results = frame(
        {"run_id": "a", "score": 0.5},
        {"run_id": "b", "seed": 1, "score": 0.2, "status": "diverged"},
        {"run_id": "c", "seed": 2, "score": None, "score_median": None, "status": "diverged"},
    )
    episodes = met(a=[0.4, 0.6], b=[0.1, 0.3])
    for statistic in STATISTICS:
        (row,) = summarise(results, NO_SETTINGS, statistic, episodes).iter_rows(named=True)
        assert (row["runs"], row["diverged"], row["untested"]) == (2, 2, 1)
    assert summarise(results, NO_SETTINGS)["score"].to_list() == [pytest.approx(0.35)]


def test_the_two_level_statistic_is_the_mean_over_runs_and_episodes_and_allows_for_both() -> None:
    scores = {f"r{seed}": [0.1 * seed + 0.02 * place for place in range(9)] for seed in range(5)}
    results = frame(*({"run_id": run, "seed": n} for n, run in enumerate(scores)))
    episodes = met(**scores, other=[0.9] * 9)
    (row,) = summarise(results, NO_SETTINGS, "two-level", episodes).iter_rows(named=True)
    theirs = two_level_interval(np.array(list(scores.values())))
    assert (row["statistic"], row["runs"], row["untested"]) == ("two-level", 5, 0)
    assert (row["score"], row["low"], row["high"]) == (theirs.centre, theirs.low, theirs.high)
    (alone,) = summarise(results[:1], NO_SETTINGS, "two-level", episodes).iter_rows(named=True)
    assert alone["score"] == pytest.approx(0.08)
    assert alone["low"] < 0.08 < alone["high"]


def test_the_two_level_statistic_asks_for_the_episodes_that_it_rests_on() -> None:
    with pytest.raises(ValueError, match="two-level rests on test episodes; pass them"):
        summarise(frame({"run_id": "a"}), NO_SETTINGS, "two-level")
    assert summarise(frame({}).clear(), NO_SETTINGS, "two-level").is_empty()


def test_runs_that_all_left_nothing_to_test_are_a_row_without_a_score() -> None:
    nothing = {"score": None, "score_median": None, "status": "diverged"}
    results = frame(nothing, nothing | {"run_id": "b", "seed": 1})
    (row,) = summarise(results, NO_SETTINGS).iter_rows(named=True)
    assert (row["runs"], row["diverged"], row["untested"], row["trimmed"]) == (0, 2, 2, 0)
    assert (row["score"], row["low"], row["high"]) == (None, None, None)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("protocol", "released"),
        ("budget", "quick"),
        ("train_tasks", 40_000),
        ("precision", "bfloat16"),
        ("queries", 15),
        ("incomplete", "mini: 60 of 600 images a class"),
        ("train_fingerprint", "other"),
        ("eval_fingerprint", "other"),
        ("settings_hash", "0dd"),
        ("shots", 5),
        ("ways", 20),
        ("ways", None),
        ("algorithm", "turtle"),
        ("eval_dataset", "mini"),
        ("kind", "regression"),
        ("statistic", "mean"),
    ],
)
def test_runs_that_differ_in_anything_else_are_not_pooled(column: str, value: Any) -> None:
    summary = summarise(
        frame({"run_id": "a"}, {"run_id": "b", "seed": 1, column: value}), NO_SETTINGS
    )
    assert summary["runs"].to_list() == [1, 1]
    assert summary["low"].to_list() == [None, None]


def test_of_a_seed_that_was_run_again_the_last_run_counts() -> None:
    later = datetime(2026, 11, 24)  # noqa: DTZ001
    results = frame(
        {"run_id": "b", "score": 0.7, "finished": later},
        {"run_id": "a", "score": 0.1},
        {"run_id": "c", "seed": 1, "score": 0.3},
    )
    assert sorted(latest(results)["run_id"]) == ["b", "c"]
    assert summarise(results, NO_SETTINGS)["score"].to_list() == [0.5]


def test_rows_that_would_look_alike_say_in_what_they_differ() -> None:
    results = frame(
        {"run_id": "a"},
        {"run_id": "b", "settings_hash": "0dd"},
        {"run_id": "c", "train_fingerprint": "f-other"},
        {"run_id": "d", "shots": 5, "settings_hash": "f1f5"},
    )
    values = {"a": ("0.01", "5"), "b": ("0.05", "5"), "c": ("0.01", "5"), "d": ("0.3", "5")}
    hyperparameters = pl.DataFrame(
        [
            (run, "algorithm", name, value)
            for run, pair in values.items()
            for name, value in zip(("inner_lr", "steps"), pair, strict=True)
        ],
        schema=SETTINGS_SCHEMA,
        orient="row",
    )
    summary = summarise(results, hyperparameters)
    assert dict(summary.select("settings_hash", "settings").rows()[-1:]) == {"f1f5": ""}
    assert sorted(summary["settings"]) == [
        "",
        "data of mini=f-mini, inner_lr=0.01",
        "data of mini=f-mini, inner_lr=0.05",
        "data of mini=f-other, inner_lr=0.01",
    ]


def test_data_are_told_apart_in_eight_digits() -> None:
    prints = [sha256(text.encode()).hexdigest() for text in ("one", "other")]
    rows = [{"run_id": f"r{n}", "eval_fingerprint": text} for n, text in enumerate(prints)]
    texts = summarise(frame(*rows), NO_SETTINGS)["settings"]
    assert sorted(texts) == sorted(f"data of cub={text[:8]}" for text in prints)


def test_rows_of_equal_settings_but_unequal_hash_are_told_apart_by_it() -> None:
    results = frame({"run_id": "a"}, {"run_id": "b", "settings_hash": "0dd"})
    summary = summarise(results, NO_SETTINGS)
    assert sorted(summary["settings"]) == ["settings=0dd", "settings=5e77"]


def test_no_results_give_an_empty_summary_with_its_columns() -> None:
    summary = summarise(frame({}).clear(), NO_SETTINGS)
    assert summary.is_empty()
    assert {"score", "low", "high", "runs", "settings"} <= set(summary.columns)
