"""Running times beside scores, and the unit in which they read best."""

from __future__ import annotations

import polars as pl

from mlbench.report.material import Material
from mlbench.stats.caveats import untimed
from mlbench.stats.summary import SETTING
from mlbench.stats.times import unequal_stacks

SAME = (*SETTING, "algorithm", "train_dataset", "ways", "shots", "settings_hash")
TOLD_APART = ("machine", "stacked")
"""What must be the same where times are compared, besides what the runs were asked to do."""
TIMES = ("seconds", "seconds_low", "seconds_high")
UNITS = (("hours", 3600.0), ("minutes", 60.0))
LARGE = 2.0  # of a unit: from there on, the longest time is told in it


def timed_rows(material: Material, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a summary with the times of the runs that they rest on.

    Runs on machines that differ in what decides their speed have rows of their own, and so have
    those of which one program computed more or fewer at once.

    Columns:
        those of ``rows``.
        machine: ``str``.
        stacked: ``i64``; how many runs one program computed.
        timed_runs: ``i64``; runs that are timed.
        seconds, seconds_low, seconds_high: ``f64``; of all phases of a run together.
    """
    keys = [*SAME, "train_fingerprint"]
    timed = material.time_summary.filter(pl.col("seconds").is_not_null()).select(
        *keys, *TOLD_APART, *TIMES, timed_runs="runs"
    )
    timed = timed.unique([*keys, *TOLD_APART], keep="first", maintain_order=True)
    return rows.join(timed, on=keys, how="inner", nulls_equal=True, maintain_order="left")


def left_out(material: Material) -> list[str]:
    """Return of how many runs no time can be told, in a sentence if there are any."""
    told = untimed(unequal_stacks(material.times))
    return [f"{told}."] if told else []


def unit_of(seconds: pl.Series) -> tuple[str, float]:
    """Return the unit for some times by name, and its seconds."""
    longest = seconds.max()
    for name, length in UNITS:
        if isinstance(longest, float) and longest >= LARGE * length:
            return name, length
    return "seconds", 1.0
