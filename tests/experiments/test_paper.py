"""What the paper prints, as it is shipped."""

from __future__ import annotations

import polars as pl

from mlbench.experiments.paper import printed


def test_each_table_has_nine_techniques_in_four_columns() -> None:
    paper = printed()
    for table in ("3.1", "3.4"):
        rows = paper.filter(table=table)
        assert len(rows) == 36
        assert rows["algorithm"].n_unique() == 9
        assert rows.select("train_dataset", "eval_dataset", "shots").n_unique() == 4
    assert (paper["ways"] == 5).all()


def test_table_3_1_is_in_domain_and_table_3_4_is_not() -> None:
    in_domain = pl.col("train_dataset") == pl.col("eval_dataset")
    assert printed().select((in_domain == (pl.col("table") == "3.1")).all()).item()


def test_the_numbers_are_those_of_the_paper() -> None:
    (row,) = (
        printed()
        .filter(algorithm="turtle", train_dataset="mini", eval_dataset="cub", shots=5)
        .select("score", "half_width", "best")
        .rows()
    )
    assert row == (0.56, 0.01, True)


def test_what_is_in_bold_is_the_best_of_its_column() -> None:
    column = ["train_dataset", "eval_dataset", "shots"]
    best = printed().filter((pl.col("score") == pl.col("score").max()).over(column))
    assert printed().filter("best").rows() == [row for row in best.rows() if row[-1]]
    assert best.filter("best").select(column).n_unique() == 8
