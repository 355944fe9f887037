"""Runs summarised: one statistic over those that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from mlbench.stats.intervals import (
    Interval,
    iqm_interval,
    mean_interval,
    median_interval,
    trimmed_interval,
)
from mlbench.stats.labels import row_labels
from mlbench.stats.names import Statistic
from mlbench.stats.tested import Tested, common_keys, matrix, tested_runs
from mlbench.stats.two_level import two_level_interval

ESTIMATORS: dict[str, tuple[str, Callable[[Sequence[float]], Interval]]] = {
    "median": ("score", median_interval),
    "mean": ("score", mean_interval),
    "trimmed": ("score_median", trimmed_interval),
    "iqm": ("score", iqm_interval),
}
"""For each statistic of one value per run, its column of ``results``, and how it is estimated."""

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
RUN = ("run_id", "eval_dataset")
"""What test episodes are of."""
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
    "stacked_runs": pl.Int64,
}
"""Columns of what is estimated of runs that are pooled."""


def latest(results: pl.DataFrame) -> pl.DataFrame:
    """Return results with one run per seed: of a run that was repeated, the last to finish."""
    ordered = results.sort("finished", "run_id")
    return ordered.unique([*SAME, "seed"], keep="last", maintain_order=True)


def summarise(
    results: pl.DataFrame,
    hyperparameters: pl.DataFrame,
    statistic: Statistic | None = None,
    episodes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return a statistic of the score over runs with its 95 % interval, a row for what is pooled.

    Runs are pooled only if they have the same settings and the same data, to the last bit of
    their hash and fingerprints; of a seed that was run again the last run counts. A run that
    diverged counts like any other, or apart if that left nothing to test.

    Args:
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        statistic: ``None`` for that of each run's protocol.
        episodes: The test episodes of the runs that count, which ``two-level`` rests on and no
            other statistic looks at: :func:`mlbench.store.queries.meta_test_episodes`.

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
        stacked_runs: ``i64``; how many of the tested runs one program computed with others.
        incomplete, settings_hash, train_fingerprint, eval_fingerprint: ``str``.

    Raises:
        ValueError: The statistic rests on test episodes, and there are none given.
    """
    if statistic is not None:
        results = results.with_columns(pl.lit(statistic).alias("statistic"))
    tested: dict[tuple[str, str], Tested] = {}
    if "two-level" in results["statistic"]:
        if episodes is None:
            raise ValueError("the statistic two-level rests on test episodes; pass them as well")
        tested = tested_runs(episodes)
    groups = latest(results).group_by(SAME, maintain_order=True)
    rows = [
        dict(zip(SAME, key, strict=True))
        | {"run_id": group["run_id"][0]}
        | estimated(group, tested)
        for key, group in groups
    ]
    schema = {name: results.schema[name] for name in SAME} | {"run_id": pl.String} | ESTIMATED
    frame = pl.DataFrame(rows, schema=schema)
    return (
        frame.with_columns(row_labels(frame, hyperparameters, (*SETTING, *ROW)))
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


def estimated(
    group: pl.DataFrame, tested: Mapping[tuple[str, str], Tested]
) -> dict[str, float | None]:
    """Return what is estimated of runs that are pooled: the columns of ``ESTIMATED``."""
    statuses, widths, scores = (group[name].to_list() for name in ("status", "stacked", "score"))
    if group["statistic"][0] == "two-level":
        runs = [tested[run] for run in group.select(RUN).iter_rows() if run in tested]
        count = len(runs)
        interval = two_level_interval(matrix(runs, common_keys(runs))) if runs else None
    else:
        column, estimate = ESTIMATORS[group["statistic"][0]]
        values = group[column].drop_nulls().to_list()
        count = len(values)
        interval = estimate(values) if values else None
    return {
        "runs": count,
        "trimmed": 0 if interval is None else count - interval.n,
        "diverged": statuses.count("diverged"),
        "untested": len(group) - count,
        "score": None if interval is None else interval.centre,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "nan_episodes": sum(group["nan_episodes"]),
        # A width is null where attempts differ in it.
        "stacked_runs": sum(
            score is not None and width != 1 for score, width in zip(scores, widths, strict=True)
        ),
    }
