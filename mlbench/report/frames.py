"""Any frame as text, CSV or JSON; nothing is rounded, and nothing missing is hidden."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import polars as pl

from mlbench.printable import printable, printable_json


def frame_text(frame: pl.DataFrame) -> str:
    """Return a frame as aligned columns: numbers to the right, missing values as NULL."""
    columns = [
        [printable(text) for text in (name, *map(cell, frame[name]))] for name in frame.columns
    ]
    right = [data_type.is_numeric() for data_type in frame.dtypes]
    return "\n".join(aligned(columns, right))


def frame_csv(frame: pl.DataFrame) -> str:
    """Return a frame as CSV with a heading: missing values empty, lists as JSON."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested() or kind == pl.Binary]
    texts = [
        pl.Series(
            name, [None if value is None else cell(value) for value in frame[name]], pl.String
        )
        for name in nested
    ]
    return frame.with_columns(texts).write_csv()


def frame_json(frame: pl.DataFrame) -> str:
    """Return a frame as a JSON array: missing values are null, NaN and infinities strings."""
    rows = [{name: plain(value) for name, value in row.items()} for row in frame.to_dicts()]
    return printable_json(json.dumps(rows, indent=2, ensure_ascii=False, default=atom))


def aligned(columns: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Return the lines of a table, columns two spaces apart; the first row is underlined."""
    widths = [max(map(len, column)) for column in columns]
    rows = [*zip(*columns, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return [
        "  ".join(
            f"{text:>{width}}" if to_right else f"{text:<{width}}"
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def cell(value: Any) -> str:
    """Return a value on one line."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return "NaN" if math.isnan(value) else f"{value:.10g}"
        case dict() | list() | pl.Series() | bytes():
            return json.dumps(plain(value), ensure_ascii=False, default=atom)
    return " ".join(str(value).split("\n"))


def plain(value: Any) -> Any:
    """Return a value with lists, dictionaries and text where JSON has no other way."""
    match value:
        case pl.Series() | list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def atom(value: Any) -> Any:
    """Return as JSON has it what is no JSON type: exact numbers, bytes and times."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case date() | time():
            return value.isoformat()
    return str(value)
