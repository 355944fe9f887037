"""How test scores spread over episodes, technique by technique."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, figure, something, split
from mlbench.report.figures.harmless import harmless_text
from mlbench.report.figures.series import SPOT, Series, with_series
from mlbench.report.figures.theme import (
    LABELS,
    TINT,
    WIDTH,
    Panel,
    few,
    headed,
    inline,
    labels,
    present,
)
from mlbench.report.figures.wording import axis, panel_title, span
from mlbench.report.material import Material
from mlbench.stats.distributions import (
    QUANTILES,
    accuracy_bins,
    accuracy_edges,
    error_bins,
    error_edges,
    quantiles,
    shares,
)

TALL = 30  # px of a row
TOP = 0.8  # of a row, the height of its highest bin
BELOW = 0.1  # of a row, how far the quantiles lie below the bins
OF_EPISODES = ("run_id", "eval_dataset", "score")


def draw(material: Material, _options: Options) -> alt.VConcatChart:
    """Return a histogram per technique, a panel per pair of data sets, ways and shots."""
    tested = something(
        material.counted.filter(pl.col("episodes") > 0),
        material,
        "finished run",
        "run maml --train sine --budget smoke",
    )
    scores = material.test_episodes.select(OF_EPISODES)

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material)
        met = scores.join(
            part.drop("score"), on=["run_id", "eval_dataset"], how="inner", maintain_order="left"
        )
        finite = met.filter(pl.col("score").is_finite())
        charts = [panel(each, series) for each in split(finite, SPOT)]
        return Block(charts, sentences(part, lost=len(met) - len(finite)))

    return figure("Test scores of single episodes", tested, block)


def sentences(part: pl.DataFrame, *, lost: int) -> list[str]:
    """Return what is drawn, of how many."""
    runs = part.group_by(*SPOT, "series").agg(pl.len())["len"]
    said = [
        f"Share of episodes by score; {span(runs, 'run')} of {span(part['episodes'], 'episode')}"
        " each.",
        "Below: median, middle half (thick) and from the 5th to the 95th percentile (thin).",
    ]
    if lost:
        said.append(f"{lost:,} episodes whose score is not finite are left out.")
    return said


def panel(part: pl.DataFrame, series: Sequence[Series]) -> Panel:
    """Return the techniques of one panel below each other."""
    row = part.row(0, named=True)
    shown = present(series, part)
    regression = row["kind"] == "regression"
    bins = binned(part, regression=regression)
    place = {each.label: -number for number, each in enumerate(shown)}
    foot = pl.col("series").replace_strict(place, return_dtype=pl.Float64)
    bins = bins.with_columns(
        foot=foot, top=foot + TOP * pl.col("share") / pl.col("share").max().over("series")
    )
    boxes = quantiles(part, ["series"]).with_columns(at=foot - BELOW)
    x = alt.X(
        "low:Q",
        title=axis(row["kind"], row["eval_dataset"]) + (" (logarithmic)" if regression else ""),
        scale=alt.Scale(type="log", nice=False)
        if regression
        else alt.Scale(nice=False, zero=False),
        axis=alt.Axis(format="~g", values=decades(bins)) if regression else few(),
    )
    y: dict[str, Any] = {
        "scale": alt.Scale(domain=[0.5 - len(shown), 1], nice=False, zero=False),
        "axis": alt.Axis(
            title=None,
            values=[*place.values()],
            labelExpr=f"{json.dumps([*map(harmless_text, labels(shown))])}[-datum.value]",
            ticks=False,
            domain=False,
            grid=True,
            labelPadding=6,
            minExtent=LABELS,
        ),
    }
    return alt.layer(
        alt.Chart(inline(bins, shown))
        .mark_rect(opacity=0.55)
        .encode(x=x, x2="high:Q", y=alt.Y("foot:Q", **y), y2="top:Q", color=TINT, tooltip=of_bin()),
        *box(alt.Chart(inline(boxes, shown)).encode(y=alt.Y("at:Q", **y))),
    ).properties(title=headed(panel_title(row)), width=WIDTH, height=TALL * (len(shown) + 0.5))


def decades(bins: pl.DataFrame) -> list[float]:
    """Return where a logarithmic axis has its labels: at 1 and 3 of each decade."""
    first = math.floor(math.log10(bins.select(pl.col("low").min()).item()))
    last = math.ceil(math.log10(bins.select(pl.col("high").max()).item()))
    return [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in (1, 3)]


def box(base: alt.Chart) -> list[alt.Chart]:
    """Return the quantiles of each technique."""
    tooltip = [
        alt.Tooltip("series:N", title="technique"),
        *(
            alt.Tooltip(f"{name}:Q", title=f"{share:.0%}", format=".4~g")
            for name, share in QUANTILES.items()
        ),
        alt.Tooltip("episodes:Q", format=","),
    ]
    base = base.encode(tooltip=tooltip)
    return [
        base.mark_rule(strokeWidth=1).encode(x=alt.X("q05:Q"), x2="q95:Q", color=TINT),
        base.mark_rule(strokeWidth=4).encode(x=alt.X("q25:Q"), x2="q75:Q", color=TINT),
        base.mark_point(shape="circle", size=26, fill="white", strokeWidth=1.6).encode(
            x=alt.X("q50:Q"), color=TINT
        ),
    ]


def of_bin() -> list[alt.Tooltip]:
    """Return what the pointer tells of a bin."""
    return [
        alt.Tooltip("series:N", title="technique"),
        alt.Tooltip("low:Q", title="from", format=".3~g"),
        alt.Tooltip("high:Q", title="to", format=".3~g"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("episodes:Q", format=","),
    ]


def binned(part: pl.DataFrame, *, regression: bool) -> pl.DataFrame:
    """Return the shares of a panel with ``low`` and ``high``, the edges of their bins."""
    edge: Any = pl.col("bin")
    if regression:
        positive = part.filter(pl.col("score") > 0)["score"]
        low, high = (float(positive.min() or 1), float(positive.max() or 1))  # type: ignore[arg-type]
        start, width = error_edges(low, high)
        found = shares(part.with_columns(bin=error_bins(low, high)), ["series"])
        return found.with_columns(
            low=10.0 ** (start + edge * width), high=10.0 ** (start + (edge + 1) * width)
        )
    queries = part["queries"][0] * part["ways"][0]
    start, width = accuracy_edges(queries)
    found = shares(part.with_columns(bin=accuracy_bins(queries)), ["series"])
    return found.with_columns(low=start + edge * width, high=start + (edge + 1) * width)
