"""What comparisons of two competitors have in common on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlbench.report.compared import SIDES
from mlbench.report.palette import look

MANY = 66  # pairs, of twelve competitors; of more, only those with the best are shown

Row = dict[str, Any]


def competitor(algorithm: str, settings: str) -> str:
    """Return what a competitor is called."""
    label = look(algorithm).label
    return f"{label} ({settings})" if settings else label


def named(row: Row) -> tuple[str, str]:
    """Return what the two of a row are called."""
    first, second = (competitor(row[side], row[f"{side}_settings"]) for side in SIDES)
    return first, second


def selected(
    rows: Sequence[Row], ahead: Callable[[Row], bool | None], *, most: int = MANY
) -> tuple[list[Row], str | None]:
    """Return the pairs to show, and which those are where they are not all.

    Args:
        rows: With ``first``, ``second`` and their settings.
        ahead: Whether the first of a row is ahead; ``None`` if neither is.
        most: More than these are not all shown, but those with whoever is ahead most often.
    """
    if len(rows) <= most:
        return list(rows), None
    won: dict[str, int] = {}
    for row in rows:
        verdict = ahead(row)
        if verdict is not None:
            winner = named(row)[0 if verdict else 1]
            won[winner] = won.get(winner, 0) + 1
    best = max(won, key=lambda name: won[name], default=named(rows[0])[0])
    shown = [row for row in rows if best in named(row)]
    return shown, (
        f"Of {len(rows)} pairs those {len(shown)} with {best} are shown, which is ahead in most"
        " of its own; to see others, narrow the report with --where."
    )
