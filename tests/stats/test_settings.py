"""Runs of one technique and task are told apart by their settings."""

from __future__ import annotations

import polars as pl

from mlbench.stats.settings import run_differences, settings_of


def test_runs_name_the_settings_in_which_they_differ_from_their_like_alone() -> None:
    runs = pl.DataFrame(
        [
            ("a", "maml", "mini", 5, 1),
            ("b", "maml", "mini", 5, 1),
            ("c", "maml", "mini", 5, 5),  # another task: its defaults are others
            ("d", "maml", "sine", None, 5),
            ("e", "maml", "mini", 5, 1),  # nothing is known of it
        ],
        schema=["run_id", "algorithm", "train_dataset", "ways", "shots"],
        orient="row",
    )
    values = {"a": ("0.01", "64"), "b": ("0.05", "64"), "c": ("0.3", "32"), "d": ("0.01", "40")}
    hyperparameters = pl.DataFrame(
        [
            (run, part, name, value)
            for run, pair in values.items()
            for (part, name), value in zip(
                [("algorithm", "inner_lr"), ("learner", "channels")], pair, strict=True
            )
        ],
        schema=["run_id", "part", "name", "value"],
        orient="row",
    )
    assert run_differences(runs[:4], hyperparameters).to_list() == [
        "inner_lr=0.01",
        "inner_lr=0.05",
        "",
        "",
    ]
    assert run_differences(runs, hyperparameters)[4] == "inner_lr=none, learner.channels=none"


def test_none_is_written_as_it_is_typed() -> None:
    rows = [("a", "algorithm", "clip", "null"), ("a", "algorithm", "name", '"null"')]
    hyperparameters = pl.DataFrame(rows, ["run_id", "part", "name", "value"], orient="row")
    assert settings_of(hyperparameters) == {"a": {"clip": "none", "name": '"null"'}}
