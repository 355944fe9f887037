"""Validations pooled over runs: their course along the training, and their best."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mlbench.stats.names import Statistic
from mlbench.stats.summary import ESTIMATORS

OF_VALIDATIONS: dict[Statistic, Statistic] = {"trimmed": "mean", "two-level": "mean"}
"""What stands in for a statistic that rests on the episodes of a test."""
TRAINING_POINTS = 50  # a curve; the database has some 200, too jagged to tell techniques apart


def pool(frame: pl.DataFrame, by: Sequence[str], column: str, statistic: Statistic) -> pl.DataFrame:
    """Return a statistic of one value per run with its 95 % interval.

    Args:
        frame: A row per run and whatever else ``by`` tells apart.
        by: Columns in which rows are equal that are pooled.
        column: The value; rows without one are left out, NaN is kept and makes NaN.
        statistic: One of one value per run.

    Columns:
        those of ``by``.
        runs: ``i64``; how many values there were.
        score, low, high: ``f64``; ``low`` and ``high`` are null where there is no interval.
    """
    _, estimate = ESTIMATORS[statistic]
    rows = []
    known = frame.filter(pl.col(column).is_not_null())
    for key, group in known.group_by(by, maintain_order=True):
        interval = estimate(group[column].to_list())
        rows.append((*key, len(group), interval.centre, interval.low, interval.high))
    schema = {name: frame.schema[name] for name in by} | {
        "runs": pl.Int64(),
        "score": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def best_validations(curves: pl.DataFrame) -> pl.DataFrame:
    """Return the validation that each run would be tested with: the last strict best.

    Args:
        curves: The view ``learning_curves``.

    Columns:
        run_id: ``str``.
        tasks: ``i64``; training tasks met by then.
        score: ``f64``; of the validation. Runs of which none had a finite mean are not here.
    """
    return (
        curves.filter(pl.col("best"), phase="validation")
        .sort("tasks")
        .group_by("run_id", maintain_order=True)
        .agg(pl.col("tasks").last(), pl.col("score").last())
    )


def training_curves(curves: pl.DataFrame, by: Sequence[str], statistic: Statistic) -> pl.DataFrame:
    """Return the training loss pooled over runs, in some 50 windows of equally many tasks.

    Args:
        curves: The view ``learning_curves``, with ``train_tasks``.
        by: As for :func:`pool`.
        statistic: Likewise.

    Columns:
        those of ``by``.
        tasks: ``i64``; at the end of the window.
        runs: ``i64``.
        loss: ``f64``; the statistic over runs of the means over the window.
    """
    width = (pl.col("train_tasks") // TRAINING_POINTS).clip(lower_bound=1)
    windows = (
        curves.filter(phase="train")
        .with_columns(window=(pl.col("tasks") - 1) // width)
        .group_by(*by, "run_id", "window", maintain_order=True)
        .agg(pl.col("loss").mean(), pl.col("tasks").max())
    )
    centre = pl.col("loss").median() if statistic == "median" else pl.col("loss").mean()
    return (
        windows.group_by(*by, "window", maintain_order=True)
        .agg(pl.col("tasks").max(), runs=pl.len().cast(pl.Int64), loss=centre)
        .drop("window")
        .sort(*by, "tasks")
    )
