"""One look for all figures: sizes, type, and how series are told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import altair as alt
import polars as pl

from mlbench.report.figures.series import Series

Panel: TypeAlias = "alt.LayerChart | alt.FacetChart | alt.VConcatChart"
WIDTH = 330  # px of a panel; two of them with a legend fill a page's two columns, or most of 1280
HEIGHT = 240
ROW = 19  # px of a row that bears one technique
COLUMNS = 2
LABELS = 130  # px for the labels of a list, at least, so that lists below each other are in line
FAR = 20  # times the median: where a linear axis shows little but its largest value
AROUND = 0.1  # of a value that is alone on its axis, how far this reaches to either side
FRAME, BAND = "#bdbdbd", "#dedede"  # round a panel; from one score to another
INK, FAINT, GRID = "#222222", "#5c5c5c", "#e4e4e4"
PATHS = {
    "star": "M0,-1 .225,-.309 .951,-.309 .363,.118 .588,.809 0,.382 -.588,.809 -.363,.118"
    " -.951,-.309 -.225,-.309Z",
    "pentagon": "M0,-.9 .856,-.278 .529,.728 -.529,.728 -.856,-.278Z",
}
"""Shapes that Vega does not know by name."""

CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "padding": 12,
    "view": {"stroke": FRAME},
    "title": {
        "anchor": "start",
        "fontSize": 15,
        "color": INK,
        "subtitleColor": FAINT,
        "subtitleFontSize": 11,
        "subtitleLineHeight": 15,
        "subtitlePadding": 4,
        "offset": 12,
    },
    "header": {"labelFontSize": 12},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": GRID,
        "domainColor": "#8c8c8c",
        "tickColor": "#8c8c8c",
        "labelLimit": 300,
        "titleLimit": 420,
    },
    "axisX": {"labelFlush": False},
    "legend": {
        "labelFontSize": 11.5,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "labelLimit": 280,
        "symbolSize": 80,
        "symbolStrokeWidth": 1.8,
        "rowPadding": 3,
    },
    "point": {"size": 55, "strokeWidth": 1.6, "opacity": 1},
    "line": {"strokeWidth": 1.7, "strokeJoin": "round"},
}


def inline(frame: pl.DataFrame, series: Sequence[Series] = ()) -> alt.InlineData:
    """Return a frame as a chart holds it: every row, at full precision, NaN as null.

    With series, it has what ``TINT`` and ``DASH`` show.
    """
    if series:
        colours = {each.label: each.colour for each in series}
        dashes = {each.label: list(each.dash) for each in series}
        frame = frame.with_columns(
            colour=pl.col("series").replace(colours),
            dash=pl.Series([dashes[label] for label in frame["series"]], dtype=pl.List(pl.Int64)),
        )
    # Altair copies what is put into a layer or beside another: each element of a list, no tuple.
    rows = tuple(
        {name: plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)
    )
    return alt.InlineData(values=rows)


def plain(value: Any) -> Any:
    """Return a value that JSON has: what is not finite cannot be drawn either."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stroke(series: Sequence[Series], *, legend: bool = False) -> alt.Stroke:
    """Return the colour of lines and outlines."""
    return alt.Stroke(
        "series:N",
        scale=alt.Scale(domain=labels(series), range=[each.colour for each in series]),
        legend=key(legend),
    )


def fill(series: Sequence[Series], *, legend: bool = False) -> alt.Fill:
    """Return the filling of points: white for the hollow ones."""
    return alt.Fill(
        "series:N",
        scale=alt.Scale(
            domain=labels(series),
            range=["white" if each.hollow else each.colour for each in series],
        ),
        legend=key(legend),
    )


TINT = alt.Color("colour:N", scale=None)
DASH = alt.StrokeDash("dash:N", scale=None)
"""Colour of bands and dashes of lines, as the data have them.

With scales they would share the legend of the points, and tear its shapes or do away with it.
"""


def solid(series: Sequence[Series]) -> alt.Fill:
    """Return the filling of points that are filled whatever the technique."""
    return alt.Fill(
        "series:N",
        scale=alt.Scale(domain=labels(series), range=[each.colour for each in series]),
        legend=None,
    )


def shape(series: Sequence[Series], *, legend: bool = False) -> alt.Shape:
    """Return the shape of points."""
    return alt.Shape(
        "series:N",
        scale=alt.Scale(
            domain=labels(series), range=[PATHS.get(each.shape, each.shape) for each in series]
        ),
        legend=key(legend),
    )


def marks(series: Sequence[Series], *, legend: bool = True) -> dict[str, Any]:
    """Return how points are told apart, with one legend for all of it."""
    return {
        "stroke": stroke(series, legend=legend),
        "fill": fill(series, legend=legend),
        "shape": shape(series, legend=legend),
    }


def hover(*tooltips: alt.Tooltip) -> dict[str, Any]:
    """Return the encoding of what the pointer tells."""
    return {"tooltip": [alt.Tooltip("series:N", title="technique"), *tooltips]}


def key(shown: bool) -> alt.Legend | None:
    """Return the legend of a channel: the same in all layers and panels, so that they are one."""
    return alt.Legend(title=None) if shown else None


def labels(series: Sequence[Series]) -> list[str]:
    """Return the names of series, in order."""
    return [each.label for each in series]


def headed(text: str) -> alt.TitleParams:
    """Return the title of a panel, above its own plot."""
    return alt.TitleParams(text, fontSize=12.5, frame="group", anchor="start", offset=6)


def panels(charts: Sequence[Any], columns: int = COLUMNS) -> Any:
    """Return panels beside and below each other, under one legend."""
    return alt.concat(*charts, columns=min(columns, len(charts)), spacing=24)


def page(blocks: Sequence[Any]) -> alt.VConcatChart:
    """Return a figure of blocks, each with scales and legend of its own."""
    whole: alt.VConcatChart = (
        alt.vconcat(*blocks, spacing=48)
        .resolve_scale(
            color="independent",
            fill="independent",
            stroke="independent",
            shape="independent",
            strokeDash="independent",
        )
        .configure(**CONFIG)
    )
    return whole


def present(series: Sequence[Series], part: pl.DataFrame) -> list[Series]:
    """Return those series that a part of a frame has, in order."""
    names = set(part["series"])
    return [each for each in series if each.label in names]


def listed(series: Sequence[Series]) -> alt.Y:
    """Return an axis that lists series from the top."""
    return alt.Y(
        "series:N",
        sort=labels(series),
        scale=alt.Scale(domain=labels(series)),
        axis=alt.Axis(
            title=None,
            grid=True,
            ticks=False,
            domain=False,
            labelPadding=6,
            labelLimit=460,
            minExtent=LABELS,
        ),
    )


def few() -> alt.Axis:
    """Return an axis whose labels stay apart, however many digits they have."""
    return alt.Axis(tickCount=6, labelOverlap=True)


def room(*values: pl.Series, zero: bool = False) -> alt.Scale:
    """Return a scale that leaves its outermost marks whole; from 0 only where that says much.

    Args:
        values: All that is on it; of a single one Vega would make an axis with no tick but 0.
        zero: Whether it begins at 0.
    """
    if zero:
        return alt.Scale(zero=True)
    return around(*values) or alt.Scale(zero=False, padding=8)


def around(*values: pl.Series) -> alt.Scale | None:
    """Return a scale with a single value in its middle; ``None`` of several values or none."""
    known = {value for each in values for value in each.drop_nulls() if math.isfinite(value)}
    if len(known) != 1:
        return None
    (value,) = known
    half = abs(value) * AROUND or 1.0
    return alt.Scale(domain=[value - half, value + half], zero=False, nice=False)


def told(title: str = "score", *, field: str = "score") -> list[alt.Tooltip]:
    """Return what the pointer tells of a pooled value."""
    low, high = ("low", "high") if field == "score" else (f"{field}_low", f"{field}_high")
    return [
        alt.Tooltip(f"{field}:Q", title=title, format=".4~g"),
        alt.Tooltip(f"{low}:Q", title="from", format=".4~g"),
        alt.Tooltip(f"{high}:Q", title="to", format=".4~g"),
        alt.Tooltip("runs:Q", title="runs"),
    ]


def spread(values: pl.Series) -> alt.Scale:
    """Return a scale for values, logarithmic where a linear one would show but the largest."""
    single = around(values)
    if single is not None:
        return single
    known = values.drop_nulls().drop_nans()
    high, middle = known.max(), known.median()
    if isinstance(high, float) and isinstance(middle, float) and (known > 0).all():
        return alt.Scale(type="log" if high > FAR * middle else "linear", zero=False, nice=True)
    return alt.Scale(zero=False, nice=True)


def beside(base: alt.Chart, field: str) -> alt.Chart:
    """Return text to the right of the rows of a list."""
    text: alt.Chart = base.mark_text(align="left", fontSize=11, color=FAINT).encode(
        x=alt.value(WIDTH + 7), text=alt.Text(f"{field}:N")
    )
    return text


def bars(base: alt.Chart, series: Sequence[Series], axis: str = "y") -> alt.Chart:
    """Return the intervals of points that have a legend."""
    ends = {axis: alt.X("low:Q") if axis == "x" else alt.Y("low:Q"), f"{axis}2": "high:Q"}
    rule = base.mark_rule(strokeWidth=1.2)
    whole: alt.Chart = rule.encode(**ends, stroke=stroke(series, legend=True))
    return whole
