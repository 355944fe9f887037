"""The order of data sets."""

from __future__ import annotations

import polars as pl

from mlbench.report.datasets import dataset_rank, in_place
from mlbench.report.figures.blocks import split

PAIRS = [
    ("mini", "mini"),
    ("cub", "cub"),
    ("omniglot", "omniglot"),
    ("mini", "cub"),
    ("cub", "mini"),
    ("omniglot", "mini"),
    ("omniglot", "mnist"),
]


def test_in_domain_comes_first_then_the_papers_data_then_names() -> None:
    mixed = [PAIRS[place] for place in (4, 0, 6, 3, 1, 5, 2)]
    assert sorted(mixed, key=lambda pair: dataset_rank(*pair)) == PAIRS


def test_rows_of_the_same_data_sets_stay_as_they_are() -> None:
    rows = [
        {"train_dataset": train, "eval_dataset": evaluated, "shots": shots}
        for train, evaluated in reversed(PAIRS)
        for shots in (5, 1)
    ]
    found = in_place(pl.DataFrame(rows)).rows()
    assert found == [(*pair, shots) for pair in PAIRS for shots in (5, 1)]


def test_what_is_tested_in_its_own_domain_has_one_column() -> None:
    frame = pl.DataFrame({"train_dataset": ["omniglot", "cub", "mini", "cub"], "row": range(4)})
    assert in_place(frame)["row"].to_list() == [2, 1, 3, 0]


def test_no_rows_have_no_order_and_no_panels() -> None:
    frame = pl.DataFrame(schema={"train_dataset": pl.String, "shots": pl.Int64})
    assert in_place(frame).equals(frame)
    assert split(frame, ("train_dataset", "shots")) == []


def test_panels_of_a_figure_follow_it() -> None:
    rows = [
        {"train_dataset": train, "eval_dataset": evaluated, "shots": shots}
        for shots in (5, 1)
        for train, evaluated in reversed(PAIRS)
    ]
    panels = split(pl.DataFrame(rows), ("train_dataset", "eval_dataset", "shots"))
    assert [panel.row(0) for panel in panels] == [(*pair, n) for pair in PAIRS for n in (1, 5)]
