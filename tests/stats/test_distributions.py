"""Scores in bins, and their quantiles."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mlbench.stats.distributions import (
    BINS,
    accuracy_bins,
    accuracy_edges,
    error_bins,
    error_edges,
    quantiles,
    shares,
)


@pytest.mark.parametrize("queries", [5, 15, 75, 80, 160, 320])
def test_every_bin_holds_equally_many_possible_accuracies(queries: int) -> None:
    possible = pl.DataFrame({"score": [right / queries for right in range(queries + 1)]})
    bins = possible.with_columns(bin=accuracy_bins(queries))
    counts = bins.group_by("bin").len().sort("bin")["len"].to_list()
    assert len(set(counts[:-1])) <= 1
    assert len(counts) <= 2 * BINS
    start, width = accuracy_edges(queries)
    inside = (bins["score"] > start + bins["bin"] * width) & (
        bins["score"] < start + (bins["bin"] + 1) * width
    )
    assert inside.all()


def test_errors_are_in_bins_of_equal_ratio() -> None:
    scores = pl.DataFrame({"score": [0.0, 0.01, 0.0999, 0.1001, 1.0, 100.0]})
    bins = scores.with_columns(bin=error_bins(0.01, 100.0))["bin"].to_list()
    assert bins == [0, 0, 9, 10, 20, BINS - 1]
    start, width = error_edges(0.01, 100.0)
    assert (start, width) == pytest.approx((-2.0, 0.1))


def test_one_error_alone_has_a_bin() -> None:
    scores = pl.DataFrame({"score": [0.3, 0.3]})
    assert scores.with_columns(bin=error_bins(0.3, 0.3))["bin"].to_list() == [0, 0]


def test_shares_are_of_each_distribution() -> None:
    scores = pl.DataFrame({"name": ["a", "a", "a", "b"], "bin": [0, 0, 3, 1]})
    assert shares(scores, ["name"]).rows() == [
        ("a", 0, 2, pytest.approx(2 / 3)),
        ("a", 3, 1, pytest.approx(1 / 3)),
        ("b", 1, 1, 1.0),
    ]


def test_quantiles_are_numpy_s() -> None:
    values = np.random.default_rng(0).normal(size=101)
    row = quantiles(pl.DataFrame({"name": "a", "score": values}), ["name"]).row(0, named=True)
    assert row["episodes"] == 101
    assert [row[f"q{share:02d}"] for share in (5, 25, 50, 75, 95)] == pytest.approx(
        np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    )
