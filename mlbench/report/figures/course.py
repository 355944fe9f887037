"""The course of runs: their learning curves with all that decides which may be pooled."""

from __future__ import annotations

import polars as pl

from mlbench.report.material import Material
from mlbench.stats.curves import OF_VALIDATIONS
from mlbench.stats.summary import SETTING
from mlbench.store.records import CONCLUSIVE

OF_RUNS = tuple(name for name in SETTING if name != "statistic")
SAME = (*OF_RUNS, "algorithm", "train_dataset", "ways", "shots", "settings_hash")
"""Runs that have these in common differ in their seed, or in the data."""
STATES = ("concluded", "diverged")
UNDERWAY = ("running", "interrupted")


def with_conditions(material: Material) -> pl.DataFrame:
    """Return the learning curves of the runs that count, with ``SETTING`` and the settings' hash.

    Of a technique and setting without any run that counts, those under way are taken instead.

    Columns:
        those of ``learning_curves``; of ``SETTING``; settings_hash, train_fingerprint: ``str``.
        concluded: ``bool``; whether the run finished or diverged.
        diverged: ``bool``.
    """
    runs = runs_with_conditions(material)
    chosen = runs.select("run_id", "settings_hash", "train_fingerprint", *STATES, *SETTING)
    known = [
        name for name in chosen.columns if name in material.curves.columns and name != "run_id"
    ]
    return material.curves.drop(known).join(
        chosen, on="run_id", how="inner", maintain_order="left_right"
    )


def runs_with_conditions(material: Material) -> pl.DataFrame:
    """Return the runs that count, or are under way where none counts, with their statistic."""
    own = material.counted.filter(pl.col("eval_dataset") == pl.col("train_dataset"))
    told = own.select("run_id", "statistic", "train_fingerprint")
    by_protocol = own.group_by("protocol").agg(of_protocol=pl.col("statistic").first())
    runs = (
        material.runs.with_columns(
            concluded=pl.col("status").is_in(CONCLUSIVE), diverged=pl.col("status") == "diverged"
        )
        .join(told, on="run_id", how="left", maintain_order="left")
        .join(by_protocol, on="protocol", how="left", maintain_order="left")
        .with_columns(statistic=pl.coalesce("statistic", "of_protocol", pl.lit("median")))
    )
    if material.statistic is not None:
        runs = runs.with_columns(statistic=pl.lit(material.statistic))
    runs = runs.with_columns(pl.col("statistic").replace(OF_VALIDATIONS))
    counts = pl.col("run_id").is_in(own["run_id"].to_list())
    waiting = pl.col("status").is_in(UNDERWAY) & ~counts.any().over(SAME)
    return runs.filter(counts | waiting).drop("of_protocol")
