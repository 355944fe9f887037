"""Runs summarised: one statistic over those that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from mlbench.stats.intervals import Interval, mean_interval, median_interval, trimmed_interval
from mlbench.stats.names import Statistic
from mlbench.stats.settings import differing, settings_of

ESTIMATORS: dict[Statistic, tuple[str, Callable[[Sequence[float]], Interval]]] = {
    "median": ("score", median_interval),
    "mean": ("score", mean_interval),
    "trimmed": ("score_median", trimmed_interval),
}
"""For each statistic, the column of ``results`` that it is of, and how it is estimated."""

SETTING = (
    "kind",
    "protocol",
    "budget",
    "train_tasks",
    "validation_tasks",
    "validate_every",
    "test_tasks",
    "queries",
    "precision",
    "statistic",
)
"""What rows of one table share."""
ROW = ("algorithm", "train_dataset", "eval_dataset", "ways", "shots")
"""What tells the rows of a table apart, as long as their settings and data are the same."""
SAME = (*SETTING, *ROW, "settings_hash", "train_fingerprint", "eval_fingerprint", "incomplete")
ESTIMATED: dict[str, type[pl.DataType]] = {
    "runs": pl.Int64,
    "trimmed": pl.Int64,
    "diverged": pl.Int64,
    "untested": pl.Int64,
    "score": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "nan_episodes": pl.Int64,
}
"""Columns of what is estimated of runs that are pooled."""


def latest(results: pl.DataFrame) -> pl.DataFrame:
    """Return results with one run per seed: of a run that was repeated, the last to finish."""
    ordered = results.sort("finished", "run_id")
    return ordered.unique([*SAME, "seed"], keep="last", maintain_order=True)


def summarise(
    results: pl.DataFrame, hyperparameters: pl.DataFrame, statistic: Statistic | None = None
) -> pl.DataFrame:
    """Return a statistic of the score over runs with its 95 % interval, a row for what is pooled.

    Runs are pooled only if they have the same settings and the same data, to the last bit of
    their hash and fingerprints; of a seed that was run again the last run counts. A run that
    diverged counts like any other, or apart if that left nothing to test.

    Args:
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        statistic: ``None`` for that of each run's protocol.

    Columns:
        kind, protocol, budget, precision, statistic: ``str``; train_tasks, validation_tasks,
            validate_every, test_tasks, queries: ``i64``.
        algorithm, train_dataset, eval_dataset: ``str``; ways, shots: ``i64``.
        settings: ``str``; in what it differs from rows that are otherwise the same.
        runs: ``i64``; runs that were tested.
        trimmed: ``i64``; how many of these the statistic drops.
        diverged: ``i64``; runs that diverged, tested or not.
        untested: ``i64``; how many of these had nothing to test, and are not among ``runs``.
        score, low, high: ``f64``; null where there is no run, and no interval.
        nan_episodes: ``i64``.
        incomplete, settings_hash, train_fingerprint, eval_fingerprint: ``str``.
    """
    if statistic is not None:
        results = results.with_columns(pl.lit(statistic).alias("statistic"))
    groups = latest(results).group_by(SAME, maintain_order=True)
    rows = [
        dict(zip(SAME, key, strict=True)) | {"run_id": group["run_id"][0]} | estimated(group)
        for key, group in groups
    ]
    schema = {name: results.schema[name] for name in SAME} | {"run_id": pl.String} | ESTIMATED
    frame = pl.DataFrame(rows, schema=schema)
    return (
        frame.with_columns(differences(frame, hyperparameters))
        .select(
            *SETTING,
            *ROW,
            "settings",
            *ESTIMATED,
            "incomplete",
            "settings_hash",
            "train_fingerprint",
            "eval_fingerprint",
        )
        .sort(*SETTING, "train_dataset", "eval_dataset", "ways", "shots", "algorithm", "settings")
    )


def estimated(group: pl.DataFrame) -> dict[str, float | None]:
    """Return what is estimated of runs that are pooled: the columns of ``ESTIMATED``."""
    column, estimate = ESTIMATORS[group["statistic"][0]]
    values = group[column].drop_nulls().to_list()
    interval = estimate(values) if values else None
    return {
        "runs": len(values),
        "trimmed": 0 if interval is None else len(values) - interval.n,
        "diverged": len(group.filter(pl.col("status") == "diverged")),
        "untested": len(group) - len(values),
        "score": None if interval is None else interval.centre,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "nan_episodes": sum(group["nan_episodes"]),
    }


def differences(frame: pl.DataFrame, hyperparameters: pl.DataFrame) -> pl.Series:
    """Return for each row in what it differs from those that a table would show alike."""
    values = settings_of(hyperparameters)
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    rows = list(frame.iter_rows(named=True))
    for row in rows:
        row["told_by"] = told_by(row, values.get(row["run_id"], {}))
        families.setdefault(tuple(row[name] for name in (*SETTING, *ROW)), []).append(row)
    texts = []
    for row in rows:
        family = families[tuple(row[name] for name in (*SETTING, *ROW))]
        texts.append(difference(row, family))
    return pl.Series("settings", texts, dtype=pl.String)


def told_by(row: dict[str, Any], values: dict[str, str]) -> dict[str, str]:
    """Return everything that may tell a row from its like: its settings and its data."""
    data = {
        f"data of {row[dataset]}": str(row[fingerprint])[:12]
        for dataset, fingerprint in (
            ("eval_dataset", "eval_fingerprint"),
            ("train_dataset", "train_fingerprint"),
        )
    }
    return values | data


def difference(row: dict[str, Any], family: list[dict[str, Any]]) -> str:
    """Return in what a row differs from its family, or its settings' hash where that is all."""
    if len(family) == 1:
        return ""
    told = [other["told_by"] for other in family]
    text = differing(row["told_by"], told)
    alike = told.count(row["told_by"]) > 1
    return f"{text}, settings={row['settings_hash'][:8]}".lstrip(", ") if alike else text
