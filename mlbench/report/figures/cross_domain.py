"""What techniques lose on a data set that they were not trained on (Table 3.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, figure, something, split
from mlbench.report.figures.series import SPOT, Series, with_series
from mlbench.report.figures.summaries import summary_rows
from mlbench.report.figures.theme import (
    BAND,
    ROW,
    WIDTH,
    Panel,
    beside,
    few,
    headed,
    hover,
    inline,
    listed,
    present,
    room,
    solid,
    stroke,
    told,
)
from mlbench.report.figures.wording import SCORES, notes, panel_title, pooled
from mlbench.report.material import Material
from mlbench.stats.summary import SETTING

SAME = (*SETTING, "algorithm", "train_dataset", "ways", "shots", "settings_hash")
"""What the scores of one technique at home and abroad have in common, besides its data."""
SHOWN = ("series", "eval_dataset", "runs", "score", "low", "high")


def draw(material: Material, _options: Options) -> alt.VConcatChart:
    """Return both scores of each technique, a panel per pair of data sets, ways and shots."""
    rows = summary_rows(material)
    at_home = pl.col("train_dataset") == pl.col("eval_dataset")
    abroad = something(
        rows.filter(~at_home),
        material,
        "finished run that was tested on another data set",
        "run maml --train mini --eval cub --budget smoke",
    )
    homes = rows.filter(at_home).select(
        *SAME,
        "train_fingerprint",
        pl.col("score", "low", "high", "runs").name.prefix("home_"),
    )
    frame = abroad.join(
        homes.unique([*SAME, "train_fingerprint"], keep="first", maintain_order=True),
        on=[*SAME, "train_fingerprint"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material)
        told_of = notes(pl.concat([part, at_home_of(part)], how="diagonal"))
        said = [
            pooled(part["statistic"][0], part["runs"]),
            "At the right: cross-domain less in-domain.",
            *told_of,
        ]
        return Block([panel(each, series) for each in split(part, SPOT)], said)

    return figure("In-domain and cross-domain", frame, block)


def at_home_of(part: pl.DataFrame) -> pl.DataFrame:
    """Return the in-domain scores of a part, as rows of their own."""
    return part.select(
        "series",
        "statistic",
        eval_dataset="train_dataset",
        **{name: pl.col(f"home_{name}") for name in ("score", "low", "high", "runs")},
    ).filter(pl.col("runs").is_not_null())


def panel(part: pl.DataFrame, series: Sequence[Series]) -> Panel:
    """Return the techniques of one panel: filled at home, hollow abroad, joined by the drop."""
    row = part.row(0, named=True)
    shown = present(series, part)
    home, away = row["train_dataset"], row["eval_dataset"]
    drop = pl.col("score") - pl.col("home_score")
    part = part.with_columns(drop=drop, change=drop.map_elements(signed, return_dtype=pl.String))
    y = listed(shown)
    drops = alt.Chart(inline(part.select("series", "score", "home_score", "drop", "change")))
    points = pl.concat([at_home_of(part).select(SHOWN), part.select(SHOWN)])
    both = alt.Chart(inline(points.with_columns(at_home=pl.col("eval_dataset").eq(home)))).encode(
        y=y
    )
    x = alt.X(
        "score:Q",
        title=f"{SCORES[row['kind']]} on test episodes of {home} (filled) and {away} (hollow)",
        scale=room(points["score"], points["low"], points["high"]),
        axis=few(),
    )
    title = panel_title(row)
    ends = {"x": alt.X("low:Q"), "x2": "high:Q"}
    told_here = hover(alt.Tooltip("eval_dataset:N", title="tested on"), *told())
    intervals = both.mark_rule(strokeWidth=1.4).encode(**ends, stroke=stroke(series))
    return alt.layer(
        drops.mark_rule(strokeWidth=6, color=BAND).encode(
            x=alt.X("score:Q"), x2="home_score:Q", y=y
        ),
        # a scale of nothing but nulls has no extent
        *([intervals] if points["low"].count() else []),
        both.transform_filter("datum.at_home")
        .mark_point(shape="circle")
        .encode(x=x, stroke=stroke(series), fill=solid(series), **told_here),
        both.transform_filter("!datum.at_home")
        .mark_point(shape="circle", fill="white")
        .encode(x=x, stroke=stroke(series), **told_here),
        beside(drops.encode(y=y), "change"),
    ).properties(title=headed(title), width=WIDTH, height=ROW * len(shown))


def signed(difference: float) -> str:
    """Return a difference with its sign, to three places; nothing of one that is not known."""
    if math.isnan(difference):
        return ""
    return f"{difference:+.3f}".replace("-", "−")
