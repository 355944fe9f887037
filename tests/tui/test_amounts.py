"""Numbers as the dashboard writes them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.tui import amounts
from mlbench.tui.curve import padded, round_numbers, thinned
from mlbench.tui.histogram import columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (math.inf, ""),
        (-3.0, "< 1 s"),
        (0.2, "< 1 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (150.0, "2 min"),
        (3600.0, "1.0 h"),
        (35_800.0, "9.9 h"),
        (36_000.0, "10 h"),
        (90_000.0, "1.0 d"),
        (8_640_000.0, "100 d"),
    ],
)
def test_a_length_of_time_has_the_largest_fitting_unit(seconds: float | None, text: str) -> None:
    assert amounts.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.05, "4.05 s"), (77.0, "1 min 17 s"), (3900.0, "1 h 05 min")]
)
def test_a_measured_time_keeps_three_digits(seconds: float, text: str) -> None:
    assert amounts.exact_duration(seconds) == text


def test_accuracies_are_per_cent_and_errors_are_not() -> None:
    assert amounts.score(0.4567, "classification") == "45.7 %"
    assert amounts.score(0.4567, "regression") == "0.457"
    assert amounts.score(1234.5, "regression") == "1234.5"
    assert amounts.score(math.nan, "classification") == "NaN"
    assert amounts.score(math.inf, "regression") == "∞"
    assert amounts.score(None, "regression") == ""


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_is_wider_than_its_column(value: float) -> None:
    assert len(amounts.number(value)) <= 8
    assert len(amounts.rate(abs(value))) <= 8


@given(st.floats(0, 1), st.integers(1, 40))
def test_a_bar_is_as_long_as_told_and_full_only_when_all_is_done(share: float, width: int) -> None:
    done, rest = amounts.bar(share, width)
    assert len(done) + len(rest) == width
    assert (rest == "") == (share * width + 1e-9 >= width)
    assert (amounts.percent(share) == "100 %") == (share * 100 + 1e-9 >= 100)


def test_a_histogram_shows_heights_and_no_bin_that_is_not_empty_vanishes() -> None:
    assert columns([0, 1, 8, 16, 100], 2, most=100, width=1) == ["    █", " ▁▁▃█"]
    assert columns([4], 1, most=4, width=3) == ["███"]
    assert columns([0, 0], 1, most=0) == ["  "]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_even_and_few_and_inside(low: float, size: float, most: int) -> None:
    ticks = round_numbers(low, low + size, most)
    assert len(ticks) <= most + 1
    assert all(low - size / 1e6 <= tick <= low + size * (1 + 1e-6) for tick in ticks)
    steps = [b - a for a, b in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps)) if steps else True


def test_ticks_are_round_numbers() -> None:
    assert round_numbers(0, 412, 4) == [0, 200, 400]
    assert round_numbers(31, 46, 5) == [35, 40, 45]
    assert round_numbers(2, 2, 5) == [2]


def test_points_that_stand_close_become_their_means() -> None:
    assert thinned([1, 2, 3, 4], [10, 20, 30, math.nan], 2) == ([1.5, 3], [15, 30])
    assert thinned([1, 2], [5, 6], 10) == ([1, 2], [5, 6])
    assert thinned([], [], 10) == ([], [])


def test_an_axis_has_room_beyond_its_points_whatever_they_are() -> None:
    for y in ([], [3.0], [0.0], [1.0, 2.0]):
        low, high = padded(y)
        assert low < min(y, default=0.5) <= max(y, default=0.5) < high
