"""How scores spread over episodes: shares in bins, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

BINS = 40  # about as many as a panel shows apart
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def accuracy_bins(queries: int) -> pl.Expr:
    """Return the bin of each accuracy, of bins that all hold equally many possible accuracies.

    Bin ``b`` holds the accuracies from ``b * step`` of ``queries`` right answers up to the next
    bin: were its edges placed without regard to what can occur, neighbours would seem to differ.

    Args:
        queries: Examples that an episode asks for, of all classes together.
    """
    return (pl.col("score") * queries).round().cast(pl.Int64) // accuracy_step(queries)


def accuracy_step(queries: int) -> int:
    """Return how many possible accuracies a bin holds."""
    return max(1, round(queries / BINS))


def accuracy_edges(queries: int) -> tuple[float, float]:
    """Return where bin 0 begins, and the width of a bin."""
    return -0.5 / queries, accuracy_step(queries) / queries


def error_bins(low: float, high: float) -> pl.Expr:
    """Return the bin of each squared error, of bins of equal ratio from ``low`` to ``high``.

    Errors of 0, which have no logarithm, are in the first.
    """
    start, width = error_edges(low, high)
    place = ((pl.col("score").log10() - start) / width).floor()
    return place.clip(0, BINS - 1).fill_nan(0).cast(pl.Int64)


def error_edges(low: float, high: float) -> tuple[float, float]:
    """Return the decimal logarithm of where bin 0 begins, and the width of a bin in decades."""
    start = math.log10(low)
    return start, max(math.log10(high) - start, 1e-9) / BINS


def shares(scores: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the share of scores in each bin that has any.

    Args:
        scores: Rows with ``bin``.
        by: Columns that tell distributions apart.

    Columns:
        those of ``by``.
        bin: ``i64``.
        episodes: ``i64``; in this bin.
        share: ``f64``; of all of that distribution.
    """
    counted = scores.group_by(*by, "bin", maintain_order=True).agg(episodes=pl.len().cast(pl.Int64))
    share = pl.col("episodes") / pl.col("episodes").sum().over(by)
    return counted.with_columns(share=share).sort(*by, "bin")


def quantiles(scores: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the 5th, 25th, 50th, 75th and 95th percentile, interpolated linearly.

    Columns:
        those of ``by``.
        episodes: ``i64``; how many scores.
        q05, q25, q50, q75, q95: ``f64``.
    """
    return scores.group_by(by, maintain_order=True).agg(
        episodes=pl.len().cast(pl.Int64),
        **{
            name: pl.col("score").quantile(share, interpolation="linear")
            for name, share in QUANTILES.items()
        },
    )
