"""How score or time goes with T, shots, ways or any other number that runs were given."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import altair as alt
import polars as pl

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, check_series, figure, something, split, undrawn
from mlbench.report.figures.parameters import STEPS, parameter
from mlbench.report.figures.series import Series, short, with_series
from mlbench.report.figures.summaries import summary_rows
from mlbench.report.figures.theme import (
    DASH,
    FAR,
    HEIGHT,
    WIDTH,
    Panel,
    bars,
    headed,
    hover,
    inline,
    marks,
    room,
    stroke,
    told,
)
from mlbench.report.figures.timed import TOLD_APART, left_out, timed_rows, unit_of
from mlbench.report.figures.wording import axis, notes, pooled, route, task
from mlbench.report.material import Material
from mlbench.report.tables.words import stack
from mlbench.stats.names import Statistic

STEPS_NAME = "T"
TITLES = {
    STEPS_NAME: "updates per task in training, T",
    "shots": "shots (support examples per class)",
    "ways": "ways (classes per episode)",
}
PANEL = ("train_dataset", "eval_dataset", "ways", "shots", *TOLD_APART)
SHOWN = ("series", "value", "runs", "score", "low", "high")
SEVERAL = 2  # values: what a line needs


def draw(material: Material, options: Options) -> alt.VConcatChart:
    """Return a line per technique, a panel per pair of data sets and what else stays the same."""
    every = rows = something(
        summary_rows(material), material, "finished run", "run maml --train sine --budget smoke"
    )
    if options.over is not None:
        check_over(options.over, material)
    timed = options.measure == "seconds"
    if timed:
        at_home = rows.filter(pl.col("train_dataset") == pl.col("eval_dataset"))
        rows = (
            timed_rows(material, at_home)
            .drop("score", "low", "high", "runs", "stacked_runs")
            .rename(
                {
                    "seconds": "score",
                    "seconds_low": "low",
                    "seconds_high": "high",
                    "timed_runs": "runs",
                }
            )
        )
    else:
        rows = rows.with_columns(machine=pl.lit(None, pl.String), stacked=pl.lit(None, pl.Int64))
    over = options.over or first_varied(rows, material)
    frame = several(with_values(rows, material, over), material, over)
    known = undrawn(every, frame, f"a line needs two values of {over}")
    if timed:
        known += left_out(material)
    if over == "ways":  # they stand along the axis, and split no block
        frame = frame.with_columns(ways=pl.lit(None, pl.Int64))

    def block(part: pl.DataFrame) -> Block:
        fixed = [name for name in PANEL if name != over]
        part, series = with_series(part, material, spot=(*fixed, "value"))
        unit, seconds = unit_of(part["score"]) if timed else ("", 1.0)
        ends = pl.col("score", "low", "high") / seconds
        charts = []
        for each in split(part.with_columns(ends) if timed else part, fixed):
            check_series(each)
            charts.append(panel(each, series, over, unit))
        statistic: Statistic = "median" if timed else part["statistic"][0]
        return Block(charts, [pooled(statistic, part["runs"]), *notes(part)])

    return figure(f"{'Running time' if timed else 'Score'} by {over}", frame, block, known)


def check_over(over: str, material: Material) -> None:
    """Refuse what no run has.

    Raises:
        MisuseError: It is neither T, shots nor ways, nor a hyperparameter of the runs.
    """
    own = material.hyperparameters.filter(part="algorithm")["name"].unique().sort()
    known = list(dict.fromkeys([STEPS_NAME, "shots", "ways", *own]))
    if over not in known:
        near = get_close_matches(over, known, 1)
        guess = f"did you mean {near[0]!r}? There are: " if near else "there are: "
        raise MisuseError(f"no run has a hyperparameter {over!r}; {guess}{', '.join(known)}")


def first_varied(rows: pl.DataFrame, material: Material) -> str:
    """Return what a figure is over unless told: the first of T, shots and ways that varies."""
    usual = (STEPS_NAME, "shots", "ways")
    varied = (over for over in usual if len(varying(with_values(rows, material, over), over)))
    return next(varied, STEPS_NAME)


def varying(frame: pl.DataFrame, over: str) -> pl.DataFrame:
    """Return the rows of panels with more than one value along the axis."""
    fixed = [name for name in PANEL if name != over]
    panels = ["kind", "protocol", "budget", *fixed]
    return frame.filter(pl.col("value").n_unique().over(panels) >= SEVERAL)


def with_values(rows: pl.DataFrame, material: Material, over: str) -> pl.DataFrame:
    """Return the rows that have what runs along the axis, as ``value``; text unless all numbers."""
    if over in {"shots", "ways"}:
        values = rows[over].to_list()
    else:
        values = parameter(rows, material, STEPS if over == STEPS_NAME else over)
    numbers = all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        for value in values
    )
    column = (
        pl.Series("value", values, dtype=pl.Float64, strict=False)
        if numbers
        else pl.Series("value", [None if v is None else short(str(v)) for v in values], pl.String)
    )
    return rows.with_columns(column).filter(pl.col("value").is_not_null())


def several(frame: pl.DataFrame, material: Material, over: str) -> pl.DataFrame:
    """Return the rows of panels with more than one value along the axis.

    Raises:
        NothingToDrawError: There is no such panel.
    """
    found = varying(frame, over)
    if len(found):
        return found
    met = [f"{v:g}" if isinstance(v, float) else v for v in frame["value"].unique().sort()]
    name, way = named(over)
    has = f"no {name} other than {' and '.join(met)}" if met else f"no {name}"
    raise NothingToDrawError(
        f"the finished runs of {material.paths.database} have {has} in one panel, and a line needs"
        f" two values; run more, as in: mlbench run maml --train sine {way}{material.paths.option},"
        " or choose another with --over"
    )


def named(over: str) -> tuple[str, str]:
    """Return what runs along the axis in words, and the options of a run that set it."""
    if over == STEPS_NAME:
        return "T (train_steps)", "--set train_steps=2"
    if over in {"shots", "ways"}:
        return over, f"--{over} 10"
    return f"hyperparameter {over!r}", f"--set {over}=..."


def panel(part: pl.DataFrame, series: Sequence[Series], over: str, unit: str) -> Panel:
    """Return the lines of one panel; with a unit, they are of times."""
    row = part.row(0, named=True)
    fixed = [] if over in {"shots", "ways"} else [task(row["ways"], row["shots"])]
    if over == "ways":
        fixed.append(f"{row['shots']}-shot")
    if over == "shots" and row["ways"] is not None:
        fixed.append(f"{row['ways']}-way")
    machine = [row["machine"] or "", stack(row["stacked"])]
    title = ", ".join([route(row), *fixed, *filter(None, machine)])
    values = part["value"].unique().sort().to_list()
    y_title = f"running time of a run ({unit})" if unit else axis(row["kind"], row["eval_dataset"])
    scale = room(part["score"], part["low"], part["high"], zero=bool(unit))
    y = alt.Y("score:Q", title=y_title, scale=scale)
    base = alt.Chart(inline(part.sort("value").select(SHOWN), series)).encode(
        x=across(values, over)
    )
    told_here = [alt.Tooltip("value:N", title=over), *told(unit or "score")]
    return alt.layer(
        *([bars(base, series)] if part["low"].count() else []),  # nulls alone have no extent
        base.mark_line().encode(y=y, stroke=stroke(series, legend=True), strokeDash=DASH),
        base.mark_point().encode(y=y, **marks(series), **hover(*told_here)),
    ).properties(title=headed(title), width=WIDTH, height=HEIGHT)


def across(values: Sequence[Any], over: str) -> alt.X:
    """Return the axis of what runs along it, with a tick at each value that occurs."""
    title = TITLES.get(over, over)
    if isinstance(values[0], str):
        return alt.X("value:N", title=title, sort=list(values), axis=alt.Axis(labelAngle=0))
    low, high = float(values[0]), float(values[-1])
    far = low > 0 and high > FAR * low
    return alt.X(
        "value:Q",
        title=title,
        scale=alt.Scale(type="log" if far else "linear", zero=False, nice=False, padding=16),
        axis=alt.Axis(values=list(values), format="~g", grid=False, labelOverlap=True),
    )
