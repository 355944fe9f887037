"""The numbers of tables as data, beside what the paper prints."""

from __future__ import annotations

import polars as pl
import pytest

from mlbench.report.tables.tidy import with_printed

TASK = {"algorithm": "turtle", "train_dataset": "mini", "eval_dataset": "cub"}
ROWS = pl.DataFrame(
    [
        TASK | {"ways": 5, "shots": 5, "score": 0.5},
        TASK | {"ways": None, "shots": 5, "score": 0.6},
        TASK | {"ways": 5, "shots": 1, "score": None},
    ]
)


def test_rows_keep_their_order_and_get_what_the_paper_prints() -> None:
    frame = with_printed(ROWS)
    assert frame.columns == [*ROWS.columns, "printed", "printed_half_width", "difference"]
    assert frame.select(ROWS.columns).equals(ROWS)
    assert frame["printed"].to_list() == [0.56, None, 0.38]
    assert frame["printed_half_width"].to_list() == [0.01, None, 0.0]
    assert frame["difference"].to_list() == [pytest.approx(-0.06), None, None]
