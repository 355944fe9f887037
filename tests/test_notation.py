"""How values are written where :mod:`tests.test_hyper` does not come by: seeds."""

from __future__ import annotations

import re

import pytest

from mlbench.notation import parse_seeds


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("3", [range(3, 4)]),
        ("0-4, 7", [range(5), range(7, 8)]),
        ("0-999999999999", [range(10**12)]),
    ],
)
def test_seeds_are_ranges(text: str, ranges: list[range]) -> None:
    assert parse_seeds(text) == ranges


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4-1", "'4-1' runs backwards"),
        ("all", "'all' is not of the form 0-4 or 0,2,7"),
        ("-1", "'-1' is not of the form 0-4 or 0,2,7"),
        ("1,", "'1,' is not of the form 0-4 or 0,2,7"),
    ],
)
def test_what_are_no_seeds_is_told_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_seeds(text)
