"""Running times of techniques in pairs, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Collection
from typing import Any

import polars as pl

from mlbench.report.compared import MACHINE, SIDES, heading, name, ordered
from mlbench.report.frames import aligned
from mlbench.report.material import Material
from mlbench.report.tables.words import MISSING, duration, few, stack
from mlbench.stats.caveats import untimed
from mlbench.stats.paired import CONDITIONS
from mlbench.stats.time_ratios import invert, time_ratios
from mlbench.stats.times import WORK

TOGETHER = (*CONDITIONS, *WORK, *MACHINE)
HEADINGS = ("first", "second", "whole run", "95 % interval", "training", "95 % interval")
COUNTS = ("pairs", "apart")
RIGHT = (False, False, True, False, True, False, True, True)


def time_pairs(
    material: Material, techniques: Collection[str] | None = None, baseline: str | None = None
) -> pl.DataFrame:
    """Return ratios of running times in the order of tables.

    Args:
        material: The runs.
        techniques: Which are compared; ``None`` for all.
        baseline: With which each other one is compared, which then comes first.

    Raises:
        MisuseError: There are results, but none of the baseline.
    """
    results = material.results
    if techniques is not None:
        results = results.filter(pl.col("algorithm").is_in(sorted(techniques)))
    ratios = time_ratios(material.times, results, material.hyperparameters, baseline=baseline)
    return ordered(ratios, invert, fixed=baseline is not None)


def times_text(ratios: pl.DataFrame, *, unequal: int = 0, width: int = 80) -> str:
    """Return ratios of running times as text: a table for what was done alike on one machine.

    Args:
        ratios: Of :func:`mlbench.stats.time_ratios.time_ratios`, in order; at least one.
        unequal: How many runs have no time: :func:`mlbench.stats.times.unequal_stacks`.
        width: Characters a line of what is said above and below tables.
    """
    told = [one_machine(part, width) for part in ratios.partition_by(TOGETHER, maintain_order=True)]
    meaning = (
        "The time of the first divided by that of the second: the median over pairs of runs of one"
        " seed on one machine, the nearest in time, with its 95 % bootstrap interval. Whole run:"
        " training, validations and tests. Apart: from the start of one run to that of the other,"
        " the median."
    )
    left_out = untimed(unequal)
    notes = [meaning, few(ratios["pairs"], "median", "pair"), f"{left_out}." if left_out else ""]
    told.append(textwrap.fill(" ".join(filter(None, notes)), width))
    return "\n\n".join(told)


def one_machine(part: pl.DataFrame, width: int) -> str:
    """Return the pairs of one table."""
    shared = part.row(0, named=True)
    machine = ", ".join(filter(None, [shared["machine"], stack(shared["stacked"])]))
    head = [*heading(part, shared["train_dataset"]), f"{machine}."]
    lines = [line for text in head for line in textwrap.wrap(text, width)]
    rows = [pair(row) for row in part.iter_rows(named=True)]
    columns = [*zip((*HEADINGS, *COUNTS), *rows, strict=True)]
    return "\n".join([*lines, "", *aligned(columns, RIGHT)])


def pair(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a pair."""
    return (
        *(name(row, side) for side in SIDES),
        *quotient(row["ratio"], row["low"], row["high"]),
        *quotient(row["train_ratio"], row["train_low"], row["train_high"]),
        str(row["pairs"]),
        duration(row["apart"]),
    )


def quotient(ratio: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """Return a ratio and its interval."""
    ends = MISSING if low is None or high is None else f"[{low:.2f}, {high:.2f}]"
    return (MISSING if ratio is None else f"{ratio:.2f}"), ends
