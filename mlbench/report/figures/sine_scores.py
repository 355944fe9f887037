"""Figure 3.3: how techniques do on the test tasks of sine regression."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, figure, something, split
from mlbench.report.figures.parameters import with_steps
from mlbench.report.figures.series import SPOT, Series, with_series
from mlbench.report.figures.summaries import summary_rows
from mlbench.report.figures.theme import (
    ROW,
    WIDTH,
    Panel,
    few,
    fill,
    headed,
    hover,
    inline,
    listed,
    present,
    room,
    shape,
    stroke,
    told,
)
from mlbench.report.figures.wording import axis, notes, panel_title, pooled
from mlbench.report.material import Material


def draw(material: Material, _options: Options) -> alt.VConcatChart:
    """Return the test error of each technique, a panel per number of updates T."""
    frame = something(
        summary_rows(material).filter(kind="regression"),
        material,
        "finished run of regression",
        "run turtle --train sine",
    )

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material, spot=(*SPOT, "steps"))
        parts = split(part, (*SPOT, "steps"))
        return Block(
            [panel(each, series) for each in parts],
            [pooled(part["statistic"][0], part["runs"]), *notes(part)],
        )

    return figure("Test error of regression", with_steps(frame, material), block)


def panel(part: pl.DataFrame, series: Sequence[Series]) -> Panel:
    """Return the techniques of one panel, each a point with its interval."""
    row = part.row(0, named=True)
    shown = present(series, part)
    title = panel_title(row) + ("" if row["steps"] is None else f", T = {row['steps']}")
    scale = room(part["score"], part["low"], part["high"])
    x = alt.X("score:Q", title=axis(row["kind"], row["eval_dataset"]), scale=scale, axis=few())
    base = alt.Chart(inline(part.select("series", "runs", "score", "low", "high"))).encode(
        y=listed(shown), **hover(*told())
    )
    intervals = base.mark_rule(strokeWidth=1.6).encode(
        x=alt.X("low:Q"), x2="high:Q", stroke=stroke(series)
    )
    return alt.layer(
        # a scale of nothing but nulls has no extent
        *([intervals] if part["low"].count() else []),
        base.mark_point().encode(
            x=x,
            stroke=stroke(series),
            fill=fill(series),
            shape=shape(series),
        ),
    ).properties(title=headed(title), width=WIDTH, height=ROW * len(shown))
