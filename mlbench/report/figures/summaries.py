"""Rows of the summary of a material, made ready to be drawn."""

from __future__ import annotations

import polars as pl

from mlbench.report.material import Material
from mlbench.report.tables.shape import with_runs


def summary_rows(material: Material) -> pl.DataFrame:
    """Return the summary with ``run_id``, one of the runs that each row rests on."""
    return with_runs(material).with_columns(run_id=pl.col("run_ids").list.first()).drop("run_ids")
