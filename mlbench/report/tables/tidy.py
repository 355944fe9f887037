"""The numbers of tables as data: a row for what is pooled, for programs to read."""

from __future__ import annotations

import polars as pl

from mlbench.experiments.paper import printed

PRINTED = {"score": "printed", "half_width": "printed_half_width"}
"""What the columns of the paper's tables are called beside ours."""


def with_printed(summary: pl.DataFrame) -> pl.DataFrame:
    """Return a summary with what the paper prints for the same technique and task.

    Columns:
        Those of the summary, then, null where the paper has nothing:
        printed: ``f64``; accuracy, to two places.
        printed_half_width: ``f64``; the ± at 95 % beside it.
        difference: ``f64``; the score less what is printed.
    """
    task = ["algorithm", "train_dataset", "eval_dataset", "ways", "shots"]
    paper = printed().select(*task, *PRINTED).rename(PRINTED)
    joined = summary.join(paper, on=task, how="left", maintain_order="left")
    return joined.with_columns((pl.col("score") - pl.col("printed")).alias("difference"))
