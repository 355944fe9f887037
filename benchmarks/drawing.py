"""The pictures of growth: time and memory beside each other, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from mlbench.report.figures.theme import CONFIG

LOOKS = {
    "plain loop": ("#7f7f7f", "cross"),
    "mlbench": ("#c44e00", "circle"),
    "mlbench, loop": ("#c44e00", "circle"),
    "mlbench, adjoint": ("#0072b2", "square"),
    "mlbench, stacked": ("#00805d", "triangle-up"),
    "mlbench, runs": ("#00805d", "triangle-up"),
    "mlbench, runs, compiled": ("#cc79a7", "diamond"),
}
"""Colour and shape of the contestants' lines; no two in one picture share either."""
OTHERS = (
    ("#5a5fcf", "circle"),
    ("#00805d", "square"),
    ("#c44e00", "diamond"),
    ("#0072b2", "triangle-up"),
    ("#cc79a7", "triangle-down"),
    ("#8c6d31", "triangle-left"),
    ("#17a2b8", "triangle-right"),
    ("#843c39", "cross"),
    ("#7f7f7f", "stroke"),
)
"""Those of other lines, in order, and again from the first."""
WIDTH, HEIGHT = 300, 220
MANY = 10_000  # from here on, thousands are written with a k


def picture(
    title: str, subtitle: str, along: str, points: Sequence[Mapping[str, Any]]
) -> alt.HConcatChart:
    """Return what was measured along an axis: time and, where it was, memory.

    Args:
        title: Of the picture.
        subtitle: What stays the same.
        along: What grows.
        points: With ``value``, ``line``, ``CPU s``, ``s`` and ``MB``; ``None`` is not drawn.
    """
    names = list(dict.fromkeys(row["line"] for row in points))
    looks = [LOOKS.get(name, OTHERS[place % len(OTHERS)]) for place, name in enumerate(names)]
    colours, shapes = ([look[part] for look in looks] for part in (0, 1))
    values = sorted({row["value"] for row in points})
    line = alt.Chart(alt.InlineData(values=[dict(row) for row in points])).encode(
        x=alt.X("value:Q", title=along)
        .scale(type="log", nice=False)
        .axis(values=values, format="~s" if values[-1] >= MANY else "~g"),
        color=alt.Color("line:N", title=None).scale(domain=names, range=colours),
        shape=alt.Shape("line:N", title=None).scale(domain=names, range=shapes),
    )
    panels = [
        line.mark_line(point={"filled": True, "size": 45})
        .encode(y=alt.Y(f"{column}:Q", title=words).scale(type="log"))
        .properties(width=WIDTH, height=HEIGHT)
        for column, words in measures(points).items()
    ]
    whole: alt.HConcatChart = (
        alt.hconcat(*panels, spacing=24)
        .properties(title=alt.TitleParams(title, subtitle=subtitle))
        .configure(**CONFIG)
    )
    return whole


def measures(points: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns that are drawn, and how their axes are called."""
    measured = {name for row in points for name, value in row.items() if value is not None}
    time = {"CPU s": "CPU-seconds"} if "CPU s" in measured else {"s": "seconds"}
    return {**time, "MB": "memory, MB"} if "MB" in measured else time
