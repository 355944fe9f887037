"""Runs summarised: a median over those that differ in nothing but their seed."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.stats.intervals import median_interval

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
)
"""What rows of one table share."""
ROW = ("algorithm", "train_dataset", "eval_dataset", "ways", "shots")
"""What tells the rows of a table apart, as long as their settings and data are the same."""
SAME = (*SETTING, *ROW, "settings_hash", "train_fingerprint", "eval_fingerprint", "incomplete")


def latest(results: pl.DataFrame) -> pl.DataFrame:
    """Return results with one run per seed: of a run that was repeated, the last to finish."""
    ordered = results.sort("finished", "run_id")
    return ordered.unique([*SAME, "seed"], keep="last", maintain_order=True)


def summarise(results: pl.DataFrame, hyperparameters: pl.DataFrame) -> pl.DataFrame:
    """Return the median score over runs with its 95 % interval, a row for what may be pooled.

    Runs are pooled only if they have the same settings and the same data, to the last bit of
    their hash and fingerprints; of a seed that was run again the last run counts.

    Args:
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.

    Columns:
        kind, protocol, budget, precision: ``str``; train_tasks, validation_tasks,
            validate_every, test_tasks, queries: ``i64``.
        algorithm, train_dataset, eval_dataset: ``str``; ways, shots: ``i64``.
        settings: ``str``; in what it differs from rows that are otherwise the same.
        runs, nan_episodes: ``i64``.
        score, low, high: ``f64``; the ends are null where there is no interval.
        incomplete, settings_hash, train_fingerprint, eval_fingerprint: ``str``.
    """
    groups = latest(results).group_by(SAME, maintain_order=True)
    rows = []
    for key, group in groups:
        interval = median_interval(group["score"].to_list())
        rows.append(
            dict(zip(SAME, key, strict=True))
            | {
                "run_id": group["run_id"][0],
                "runs": interval.n,
                "score": interval.centre,
                "low": interval.low,
                "high": interval.high,
                "nan_episodes": int(group["nan_episodes"].sum()),
            }
        )
    schema = {name: results.schema[name] for name in SAME} | {
        "run_id": pl.String,
        "runs": pl.Int64,
        "score": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "nan_episodes": pl.Int64,
    }
    frame = pl.DataFrame(rows, schema=schema)
    return (
        frame.with_columns(differences(frame, hyperparameters))
        .select(
            *SETTING,
            *ROW,
            "settings",
            "runs",
            "score",
            "low",
            "high",
            "nan_episodes",
            "incomplete",
            "settings_hash",
            "train_fingerprint",
            "eval_fingerprint",
        )
        .sort(*SETTING, "train_dataset", "eval_dataset", "ways", "shots", "algorithm", "settings")
    )


def differences(frame: pl.DataFrame, hyperparameters: pl.DataFrame) -> pl.Series:
    """Return for each row in what it differs from those that a table would show alike."""
    values: dict[str, dict[str, str]] = {}
    for run_id, part, name, value in hyperparameters.iter_rows():
        label = name if part == "algorithm" else f"{part}.{name}"
        values.setdefault(run_id, {})[label] = value
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
    """Return ``name=value`` for each setting that differs within a family of rows."""
    if len(family) == 1:
        return ""
    names = sorted({name for other in family for name in other["told_by"]})
    differing = [
        name for name in names if len({other["told_by"].get(name) for other in family}) > 1
    ]
    text = ", ".join(f"{name}={row['told_by'].get(name, 'none')}" for name in differing)
    alike = sum(other["told_by"] == row["told_by"] for other in family) > 1
    return f"{text}, settings={row['settings_hash'][:8]}".lstrip(", ") if alike else text
