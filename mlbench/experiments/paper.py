"""What the paper prints, to be put beside what was run.

Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y.
Tables are numbered as in chapter 3 of Huisman, 2024.
"""

from __future__ import annotations

from importlib.resources import files

import polars as pl

SOURCE = "Huisman, Plaat and van Rijn (2022)"
COLUMNS = {
    "table": pl.String,
    "train_dataset": pl.String,
    "eval_dataset": pl.String,
    "ways": pl.Int64,
    "shots": pl.Int64,
    "algorithm": pl.String,
    "score": pl.Float64,
    "half_width": pl.Float64,
    "best": pl.Boolean,
}


def printed() -> pl.DataFrame:
    """Return the paper's tables of accuracies, a row per cell, in the paper's order.

    Columns:
        table: ``str``; ``3.1``, in-domain, or ``3.4``, cross-domain.
        train_dataset, eval_dataset, algorithm: ``str``.
        ways, shots: ``i64``.
        score: ``f64``; in [0, 1], printed to two places: the median over five runs, as the
            authors' code has it.
        half_width: ``f64``; the ± that is printed beside it, at 95 %; 0 below half a hundredth.
        best: ``bool``; whether it is printed in bold.
    """
    file = files("mlbench.experiments").joinpath("paper.csv")
    return pl.read_csv(file.read_bytes(), schema=COLUMNS)
