"""Lengths of time and amounts of memory, as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.amounts import bytes_text, duration_text, parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4h", 14_400), ("1h30m", 5_400), ("2d", 172_800), ("90s", 90), ("0.5s", 0.5), (" 3m ", 180)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "4", "4 hours", "30m1h", "-4h", "0s", "1e3s", "4h4h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        parse_duration(text)


@given(st.integers(60, 10**7))
def test_a_duration_in_whole_seconds_reads_as_it_was_written(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "amount"), [("8G", 8 * 10**9), ("500MB", 5 * 10**8), ("1.5 t", 15 * 10**11)]
)
def test_amounts_of_memory_are_read(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "8", "8X", "-8G", "0G", "G", "8GiB", "eight"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        parse_bytes(text)


def test_amounts_are_written_in_powers_of_a_thousand() -> None:
    assert bytes_text(332_000_000) == "332 MB"
    assert bytes_text(12) == "12 B"
    assert bytes_text(3e15) == "3e+03 TB"
