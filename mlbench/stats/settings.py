"""In which settings runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

TASK = ("algorithm", "train_dataset", "ways", "shots")
"""What runs have in common whose settings are compared in a list of runs."""


def run_differences(runs: pl.DataFrame, hyperparameters: pl.DataFrame) -> pl.Series:
    """Return for each run in which settings it differs from others of its technique and task."""
    values = settings_of(hyperparameters)
    families: dict[tuple[Any, ...], list[dict[str, str]]] = {}
    rows = [
        (tuple(row[name] for name in TASK), values.get(row["run_id"], {}))
        for row in runs.iter_rows(named=True)
    ]
    for task, told in rows:
        families.setdefault(task, []).append(told)
    texts = [differing(told, families[task]) for task, told in rows]
    return pl.Series("settings", texts, dtype=pl.String)


def settings_of(hyperparameters: pl.DataFrame) -> dict[str, dict[str, str]]:
    """Return the settings of each run, by name; ``part.name`` for all but the technique's own.

    Values are JSON, but ``none`` is written as ``--set`` takes it.
    """
    values: dict[str, dict[str, str]] = {}
    for run_id, part, name, value in hyperparameters.iter_rows():
        label = name if part == "algorithm" else f"{part}.{name}"
        values.setdefault(run_id, {})[label] = "none" if value == "null" else value
    return values


def differing(values: Mapping[str, str], family: Sequence[Mapping[str, str]]) -> str:
    """Return ``name=value`` for each of these values in which a family differs."""
    names = sorted({name for other in family for name in other})
    return ", ".join(
        f"{name}={values.get(name, 'none')}"
        for name in names
        if len({other.get(name) for other in family}) > 1
    )
