"""Frames as text, CSV and JSON: exact, and with everything that is odd about them visible."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal

import polars as pl

from mlbench.report.frames import frame_csv, frame_json, frame_text

ODD = pl.DataFrame(
    {
        "name": ["a", None, "ü\nx"],
        "score": [0.1, math.nan, -math.inf],
        "list": [["x"], [], None],
        "at": [datetime(2026, 11, 23, 5), None, None],  # noqa: DTZ001
        "sum": pl.Series([Decimal(51), Decimal("0.5"), None], dtype=pl.Decimal(38, 2)),
        "flag": [True, False, None],
        "raw": [b"\xff", b"", None],
    }
)


def test_text_is_aligned_and_shows_null_and_nan() -> None:
    lines = frame_text(ODD.select("name", "score", "list", "flag")).splitlines()
    assert lines == [
        "name  score  list   flag",
        "----  -----  -----  -----",
        'a       0.1  ["x"]  true',
        "NULL    NaN  []     false",
        "ü x    -inf  NULL   NULL",
    ]


def test_text_of_an_empty_frame_is_its_heading() -> None:
    assert frame_text(ODD.clear().select("name", "score")).splitlines()[0] == "name  score"


def test_json_is_valid_for_programs_that_know_no_nan() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    rows = json.loads(frame_json(ODD), parse_constant=refuse)
    assert rows[0] == {
        "name": "a",
        "score": 0.1,
        "list": ["x"],
        "at": "2026-11-23T05:00:00",
        "sum": 51,
        "flag": True,
        "raw": "ff",
    }
    assert [row["score"] for row in rows] == [0.1, "NaN", "-Infinity"]
    assert rows[2]["list"] is None


def test_csv_comes_back_with_its_numbers_exact() -> None:
    text = frame_csv(ODD.with_columns(pl.Series("score", [0.1 + 0.2, math.nan, -math.inf])))
    back = pl.read_csv(text.encode())
    assert back["score"].to_list()[::2] == [0.1 + 0.2, -math.inf]
    assert math.isnan(back["score"][1])
    assert back["list"].to_list() == ['["x"]', "[]", None]
    assert back["name"].to_list() == ["a", None, "ü\nx"]
