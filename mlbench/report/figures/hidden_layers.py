"""Figure 3.2: TURTLE on sine by the depth of its meta-network, T and order, beside MAML."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, figure, something, split
from mlbench.report.figures.course import with_conditions
from mlbench.report.figures.parameters import parameter, with_steps
from mlbench.report.figures.series import Series, with_series
from mlbench.report.figures.summaries import summary_rows
from mlbench.report.figures.theme import (
    DASH,
    HEIGHT,
    TINT,
    WIDTH,
    Panel,
    headed,
    hover,
    inline,
    marks,
    room,
    stroke,
    told,
)
from mlbench.report.figures.wording import axis, notes, panel_title, pooled
from mlbench.report.material import Material
from mlbench.stats.curves import best_validations, pool
from mlbench.stats.summary import SETTING

BY_DEPTH = ("fo_turtle", "turtle")
BESIDE = ("fo_maml", "maml")
PANEL = ("train_dataset", "ways", "shots", "steps")
GROUP = (*SETTING, "algorithm", "train_dataset", "ways", "shots", "settings_hash")
SHOWN = ("series", "layers", "runs", "score", "low", "high")


def draw(material: Material, options: Options) -> alt.VConcatChart:
    """Return the error by number of hidden layers, a panel per number of updates T."""
    validation = options.measure != "test"
    rows = validated_rows(material) if validation else summary_rows(material)
    rows = with_layers(with_steps(rows.filter(kind="regression"), material), material)
    frame = something(
        rows.filter(pl.col("layers").is_not_null() | pl.col("algorithm").is_in(BESIDE)),
        material,
        "TURTLE run on sine",
        "run turtle --train sine --set hidden=20,20",
    )
    something(
        frame.filter(pl.col("layers").is_not_null()),
        material,
        "TURTLE run on sine",
        "run turtle --train sine --set hidden=20,20",
    )

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material, spot=(*PANEL, "layers"))
        score = "Best validation of each run. " if validation else ""
        return Block(
            [
                panel(each, series, "validation" if validation else "test")
                for each in split(part, PANEL)
            ],
            [score + pooled(part["statistic"][0], part["runs"]), *notes(part)],
        )

    return figure("Depth of the meta-network", frame, block)


def validated_rows(material: Material) -> pl.DataFrame:
    """Return the best validation of runs, pooled; like a summary, with ``run_id``."""
    curves = with_conditions(material).filter("concluded")
    runs = curves.select("run_id", "train_fingerprint", *GROUP).unique("run_id", keep="first")
    best = runs.join(best_validations(curves), on="run_id", how="left").sort("run_id")
    parts = [
        pool(each, [*GROUP, "train_fingerprint"], "score", each["statistic"][0])
        for each in best.partition_by("statistic", maintain_order=True)
    ]
    names = best.group_by(*GROUP, "train_fingerprint").agg(pl.col("run_id").first())
    pooled_rows = pl.concat(parts) if parts else best.with_columns(runs=0, low=None, high=None)
    return pooled_rows.join(names, on=[*GROUP, "train_fingerprint"], nulls_equal=True)


def with_layers(frame: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Return rows with ``layers``, the hidden layers of the meta-network; null of others."""
    hidden = parameter(frame, material, "hidden")
    layers = [
        len(value) if algorithm in BY_DEPTH and isinstance(value, list) else None
        for algorithm, value in zip(frame["algorithm"], hidden, strict=True)
    ]
    return frame.with_columns(pl.Series("layers", layers, dtype=pl.Int64))


def panel(part: pl.DataFrame, series: Sequence[Series], split_name: str) -> Panel:
    """Return one T: TURTLE's lines over MAML's bands."""
    row = part.row(0, named=True)
    title = panel_title(row) + ("" if row["steps"] is None else f", T = {row['steps']}")
    depths = part["layers"].drop_nulls().unique().sort().to_list()
    x = alt.X(
        "layers:Q",
        title="hidden layers of the meta-network",
        scale=alt.Scale(zero=False, nice=False, padding=14),
        axis=alt.Axis(values=depths, format="d", grid=False),
    )
    scale = room(part["score"], part["low"], part["high"])
    y = alt.Y("score:Q", title=axis(row["kind"], row["train_dataset"], split_name), scale=scale)
    lines = alt.Chart(inline(part.filter(pl.col("layers").is_not_null()).select(SHOWN), series))
    bands = alt.Chart(inline(part.filter(pl.col("layers").is_null()).select(SHOWN), series))
    outline = stroke(series, legend=True)
    points = {**marks(series), **hover(alt.Tooltip("layers:Q", title="hidden layers"), *told())}
    area = bands.mark_rect(opacity=0.14).encode(y=alt.Y("low:Q"), y2="high:Q", color=TINT)
    bars = lines.mark_rule(strokeWidth=1.2)
    bars = bars.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", stroke=outline)
    intervals = bool(part["low"].count())  # nulls alone have no extent
    return alt.layer(
        *([area] if intervals else []),
        bands.mark_rule(strokeWidth=1.6).encode(y=y, stroke=outline, strokeDash=DASH),
        bands.mark_point().encode(x=alt.value(WIDTH - 5), y=y, **points),
        *([bars] if intervals else []),
        lines.mark_line().encode(x=x, y=y, stroke=outline, strokeDash=DASH),
        lines.mark_point().encode(x=x, y=y, **points),
    ).properties(title=headed(title), width=WIDTH, height=HEIGHT)
