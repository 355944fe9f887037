"""Many tests at once: Holm's step-down adjustment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted so that all may be read at one level (Holm, 1979).

    Sorted, the i-th smallest of m is multiplied by m - i + 1; none may fall below the one before
    it or exceed 1. It holds whatever the tests have in common.

    Args:
        p_values: ``None`` where there was no test; it stays, and does not count towards m.
    """
    places = [place for place, p in enumerate(p_values) if p is not None]
    known = np.array([p_values[place] for place in places], dtype=np.float64)
    order = np.argsort(known, kind="stable")
    factors = np.arange(len(known), 0, -1)
    stepped = np.maximum.accumulate(np.minimum(1.0, known[order] * factors))
    adjusted: list[float | None] = [None] * len(p_values)
    for rank, position in enumerate(order):
        adjusted[places[position]] = float(stepped[rank])
    return adjusted
