"""What is best and what ties with it, on cells made by hand."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mlbench.report.tables.model import Cell
from mlbench.report.tables.ranking import ranked
from mlbench.store.records import Kind
from tests.report.tables.made import cell

SCORES = st.none() | st.floats(allow_infinity=True, allow_nan=True)


def marks(cells: list[Cell | None], kind: Kind = "classification") -> str:
    """Return ``*`` for the best, ``~`` for ties, ``.`` for the others."""
    return "".join(
        "*" if each and each.best else "~" if each and each.tied else "."
        for each in ranked(cells, kind)
    )


def test_the_highest_accuracy_is_best_and_intervals_that_overlap_tie_with_it() -> None:
    best = cell(0.5, 0.45, 0.55)
    assert marks([cell(0.4, 0.38, 0.44), best, cell(0.42, 0.4, 0.46)]) == ".*~"


def test_the_lowest_error_is_best() -> None:
    cells: list[Cell | None] = [cell(0.4, 0.3, 0.6), cell(0.9, 0.8, 1.0), cell(0.5, 0.45, 0.7)]
    assert marks(cells, "regression") == "*.~"


def test_intervals_that_touch_tie() -> None:
    assert marks([cell(0.5, 0.45, 0.55), cell(0.4, 0.35, 0.45)]) == "*~"
    assert marks([cell(0.5, 0.45, 0.55), cell(0.4, 0.35, 0.4499)]) == "*."


def test_equal_scores_are_all_best_and_each_may_be_tied_with() -> None:
    narrow, wide = cell(0.5, 0.49, 0.51), cell(0.5, 0.4, 0.6)
    assert marks([narrow, wide, cell(0.45, 0.44, 0.46)]) == "**~"


def test_a_cell_without_an_interval_ties_with_none() -> None:
    assert marks([cell(0.5), cell(0.4, 0.3, 0.9), cell(0.45)]) == "*.."
    assert marks([cell(0.5, 0.4, 0.6), cell(0.45)]) == "*."


def test_what_stands_alone_is_not_marked() -> None:
    assert marks([None, cell(0.5, 0.4, 0.6), cell(None), cell(math.nan)]) == "...."


@given(st.lists(SCORES), st.sampled_from(["classification", "regression"]))
def test_nothing_beats_the_best(scores: list[float | None], kind: Kind) -> None:
    cells = [each for each in ranked([cell(score) for score in scores], kind) if each]
    finite = [each.score for each in cells if each.score is not None and math.isfinite(each.score)]
    best = [each.score for each in cells if each.best]
    if len(finite) > 1:
        assert set(best) == {min(finite) if kind == "regression" else max(finite)}
    else:
        assert best == []
