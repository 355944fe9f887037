"""Pairs of techniques as they are printed."""

from __future__ import annotations

import polars as pl

from mlbench.report.compared import ordered
from mlbench.stats.paired import CONDITIONS, FIELD


def test_beside_a_baseline_techniques_are_in_the_order_of_tables_in_domain_first() -> None:
    found = [
        (evaluated, shots, technique)
        for technique in ("maml", "baseline_pp", "train_from_scratch")
        for shots in (5, 1)
        for evaluated in ("mnist", "omniglot")
    ]
    alike = dict.fromkeys(CONDITIONS, "same") | {"train_dataset": "omniglot", "ways": 5}
    rows = [
        alike | {"eval_dataset": evaluated, "shots": shots, "first": technique, "second": "turtle"}
        for evaluated, shots, technique in found
    ]
    told = ordered(pl.DataFrame(rows).select(*CONDITIONS, *FIELD, "first", "second"), fixed=True)
    assert told.select("eval_dataset", "shots", "first").rows() == [
        (evaluated, shots, technique)
        for evaluated in ("omniglot", "mnist")
        for shots in (1, 5)
        for technique in ("train_from_scratch", "baseline_pp", "maml")
    ]
