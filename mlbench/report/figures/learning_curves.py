"""Learning curves: validation score and training loss against training tasks."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, check_series, figure, something, split
from mlbench.report.figures.course import with_conditions
from mlbench.report.figures.series import Series, with_series
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
    spread,
    stroke,
    told,
)
from mlbench.report.figures.wording import axis, notes, panel_title, pooled, span
from mlbench.report.material import Material
from mlbench.stats.curves import pool, training_curves
from mlbench.stats.summary import SETTING

PANEL = ("train_dataset", "ways", "shots")
GROUP = (*SETTING, "algorithm", *PANEL, "settings_hash", "train_fingerprint", "series")
SHOWN = ("series", "tasks", "runs", "score", "low", "high", "mark", "size", "single")
LOSSES = {"classification": "training loss (nats)", "regression": "training loss (MSE)"}
LOWER = 84  # px, the height of a panel of losses
MARKS = 5  # a line: enough to tell it from others in black and white
SIZES = {"best": 120, "some": 34, "none": 0}  # px² of marks
THIN, THICK = 1.0, 1.8  # px of lines: of a single run, of several


def draw(material: Material, _options: Options) -> alt.VConcatChart:
    """Return the curves, a panel per training data set, ways and shots."""
    curves = something(
        with_conditions(material),
        material,
        "run that was validated",
        "run maml --train sine --budget smoke",
    )

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material, spot=PANEL)
        statistic = part["statistic"][0]
        validated = pool(part.filter(phase="validation"), [*GROUP, "tasks"], "score", statistic)
        validated = validated.sort(*PANEL, "tasks").with_columns(
            mark=which(validated["kind"][0]), single=(pl.col("runs") == 1).all().over(GROUP)
        )
        sizes = pl.col("mark").replace_strict(SIZES, return_dtype=pl.Int64)
        validated = validated.with_columns(size=sizes)
        trained = training_curves(part, GROUP, statistic)
        charts = []
        for each in split(validated, PANEL):
            check_series(each)
            losses = trained.join(each.select(PANEL).unique(), on=PANEL, nulls_equal=True)
            charts.append(panel(each, losses, series))
        said = [
            pooled(statistic, validated["runs"]),
            "The large mark is the best validation of its line.",
            *notes(validated),
            *diverged(part),
            *underway(part),
        ]
        return Block(charts, said)

    return figure("Learning curves", curves, block)


def which(kind: str) -> pl.Expr:
    """Return which points of a line bear a mark: ``best``, ``some`` of the others, or ``none``."""
    score = pl.col("score").fill_nan(None)
    best = score.min() if kind == "regression" else score.max()
    place = pl.int_range(pl.len()).over(GROUP)
    every = ((pl.len() - 1) // MARKS + 1).over(GROUP)
    first = (score == best.over(GROUP)) & ((score == best.over(GROUP)).cum_sum().over(GROUP) == 1)
    return (
        pl.when(first)
        .then(pl.lit("best"))
        .when(place % every == 0)
        .then(pl.lit("some"))
        .otherwise(pl.lit("none"))
    )


def panel(validated: pl.DataFrame, trained: pl.DataFrame, series: Sequence[Series]) -> Panel:
    """Return the curves of one data set: validations above, training losses below."""
    row = validated.row(0, named=True)
    x = alt.X("tasks:Q", title=None, scale=alt.Scale(nice=False), axis=alt.Axis(format="~s"))
    base = alt.Chart(inline(validated.select(SHOWN), series)).encode(x=x)
    scale = spread(validated["score"])
    area = base.mark_area(opacity=0.13).encode(
        y=alt.Y("low:Q", scale=scale), y2="high:Q", color=TINT
    )
    y = alt.Y("score:Q", title=axis(row["kind"], None, "validation"), scale=scale)
    line = base.encode(y=y, stroke=stroke(series, legend=True), strokeDash=DASH)
    upper = alt.layer(
        # a scale of nothing but nulls has no extent
        *([area] if validated["low"].count() else []),
        *lines(line, validated["single"]),
        base.mark_point(strokeWidth=1.4).encode(
            y=y,
            size=alt.Size("size:Q", scale=None),
            **marks(series),
            **hover(alt.Tooltip("tasks:Q", title="training tasks", format=","), *told()),
        ),
    ).properties(width=WIDTH, height=HEIGHT, title=headed(panel_title(row)))
    lower = (
        alt.Chart(inline(trained.select("series", "tasks", "loss", "runs"), series))
        .mark_line(strokeWidth=1.1)
        .encode(
            x=alt.X(
                "tasks:Q",
                title="training tasks",
                scale=alt.Scale(nice=False),
                axis=alt.Axis(format="~s"),
            ),
            y=alt.Y("loss:Q", title=LOSSES[row["kind"]], scale=spread(trained["loss"])),
            stroke=stroke(series, legend=True),
            strokeDash=DASH,
        )
        .properties(width=WIDTH, height=LOWER)
    )
    both: Panel = alt.vconcat(upper, lower, spacing=8).resolve_scale(x="shared")
    return both


def lines(base: alt.Chart, single: pl.Series) -> list[alt.Chart]:
    """Return the lines: thin where they are of a single run."""
    kinds = (("datum.single", THIN, single.any()), ("!datum.single", THICK, not single.all()))
    return [
        base.transform_filter(which_ones).mark_line(strokeWidth=width)
        for which_ones, width, there in kinds
        if there
    ]


def diverged(part: pl.DataFrame) -> list[str]:
    """Return of which lines runs diverged, and how many of how many."""
    runs = part.unique("run_id", keep="first", maintain_order=True)
    counts = runs.group_by("series", maintain_order=True).agg(pl.col("diverged").sum(), n=pl.len())
    named = [
        f"{name} ({number} of {span(pl.Series([among]), 'run')})"
        for name, number, among in counts.filter(pl.col("diverged") > 0).iter_rows()
    ]
    return [f"Diverged, and stopped early: {', '.join(named)}."] if named else []


def underway(part: pl.DataFrame) -> list[str]:
    """Return how many of the runs are not finished."""
    number = part.filter(~pl.col("concluded"))["run_id"].n_unique()
    return [f"{number} not finished yet."] if number else []
