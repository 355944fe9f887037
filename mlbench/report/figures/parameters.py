"""Hyperparameters as columns: what figures have along an axis or a panel for."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from mlbench.report.material import Material

STEPS = "train_steps"
"""What techniques call T, the updates per task in training."""


def parameter(frame: pl.DataFrame, material: Material, *names: str) -> list[Any]:
    """Return for each row the value of the first of these hyperparameters that its runs have.

    Args:
        frame: With ``run_id``, of any run of the row.
        material: What it was made of.
        names: Of hyperparameters of techniques.

    Returns:
        What JSON makes of it; ``None`` where there is none.
    """
    wanted = material.hyperparameters.filter(pl.col("name").is_in(names), part="algorithm")
    values = {(run_id, name): value for run_id, _, name, value in wanted.iter_rows()}
    found = []
    for run_id in frame["run_id"]:
        own = [values[run_id, name] for name in names if (run_id, name) in values]
        found.append(json.loads(own[0]) if own else None)
    return found


def with_steps(frame: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Return rows with ``steps``: T, the updates per task in training; null without any."""
    steps = parameter(frame, material, STEPS)
    return frame.with_columns(pl.Series("steps", steps, dtype=pl.Int64, strict=False))
