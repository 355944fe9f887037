"""Holm's adjustment, against its definition and a published example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.stats.holm import holm

P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=12)


def test_the_smallest_is_multiplied_by_all_the_next_by_one_less_and_none_falls_back() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_what_was_not_tested_stays_and_does_not_count() -> None:
    assert holm([None, 0.01, None, 0.02]) == [None, pytest.approx(0.02), None, pytest.approx(0.02)]
    assert holm([]) == []
    assert holm([None]) == [None]


@given(P_VALUES)
def test_adjusting_keeps_the_order_and_lies_between_itself_and_bonferroni(
    p_values: list[float | None],
) -> None:
    adjusted = holm(p_values)
    known = [(p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None]
    assert [q is None for q in adjusted] == [p is None for p in p_values]
    for p, q in known:
        assert q is not None
        assert p <= q <= min(1.0, p * len(known)) + 1e-15
    ordered = [q for _, q in sorted(known)]
    assert ordered == sorted(ordered, key=lambda q: q or 0)
    backwards = holm(p_values[::-1])[::-1]
    assert backwards == adjusted
