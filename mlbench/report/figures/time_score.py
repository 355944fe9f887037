"""Figure 3.4: running time against score."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from mlbench.report.figures import Options
from mlbench.report.figures.blocks import Block, check_series, figure, something, split
from mlbench.report.figures.series import SPOT, Series, with_series
from mlbench.report.figures.summaries import summary_rows
from mlbench.report.figures.theme import (
    FAINT,
    HEIGHT,
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
from mlbench.report.figures.timed import TOLD_APART, left_out, timed_rows, unit_of
from mlbench.report.figures.wording import axis, notes, panel_title, pooled, stackings
from mlbench.report.material import Material
from mlbench.report.tables.words import stack

SECOND_ORDER = {"fo_maml": "maml", "fo_turtle": "turtle"}
"""The second-order form of each first-order technique; a thin line joins the two."""
TIME = "Time: training, validation and test together."
TIMES = "Time: median over runs of training, validation and test together, with the same interval."
ENDS = ("time", "score", "to_time", "to_score")
POINT = (
    "series",
    "runs",
    "time",
    "time_low",
    "time_high",
    "score",
    "low",
    "high",
    "machine",
    "stacked",
)


def draw(material: Material, _options: Options) -> alt.VConcatChart:
    """Return a point per technique, a panel per pair of data sets, ways, shots and machine.

    Runs of which one program computed more or fewer at once are in panels of their own, too.
    """
    frame = something(
        timed_rows(material, summary_rows(material)),
        material,
        "finished run that timed its phases",
        "run maml --train sine --budget smoke",
    )

    def block(part: pl.DataFrame) -> Block:
        part, series = with_series(part, material, spot=(*SPOT, *TOLD_APART))
        unit, seconds = unit_of(part["seconds"])
        part = part.with_columns(
            time=pl.col("seconds") / seconds,
            time_low=pl.col("seconds_low") / seconds,
            time_high=pl.col("seconds_high") / seconds,
        )
        charts = []
        several = [name for name in TOLD_APART if part[name].n_unique() > 1]
        for each in split(part, (*SPOT, *TOLD_APART)):
            check_series(each)
            charts.append(panel(each, series, unit, several))
        joined = part["algorithm"].is_in(list(SECOND_ORDER)).any()
        said = [
            pooled(part["statistic"][0], part["runs"]),
            TIME if part["timed_runs"].max() == 1 else TIMES,
            *(["A grey line joins first and second order."] if joined else []),
            *machines(part),
            *stackings(part),
            *notes(
                part.drop("stacked_runs").with_columns(runs=pl.min_horizontal("runs", "timed_runs"))
            ),
        ]
        return Block(charts, said)

    return figure("Running time against score", frame, block, untimed(material))


def untimed(material: Material) -> list[str]:
    """Return how many runs have no time, for each reason."""
    found = left_out(material)
    number = material.counted.filter(status="diverged")["run_id"].n_unique()
    if number:
        runs, they = ("1 run", "it has") if number == 1 else (f"{number:,} runs", "they have")
        found.append(f"{runs} diverged and stopped early, so {they} no time here.")
    return found


def machines(part: pl.DataFrame) -> list[str]:
    """Return on what was timed, and how many runs at once, where the panels do not say it."""
    told = []
    if part["machine"].n_unique() == 1:
        told.append(f"on {part['machine'][0]}")
    if part["stacked"].n_unique() == 1 and (width := stack(part["stacked"][0])):
        told.append(f"with {width}")
    return [f"Timed {', '.join(told)}."] if told else []


def panel(part: pl.DataFrame, series: Sequence[Series], unit: str, several: Sequence[str]) -> Panel:
    """Return the techniques of one panel.

    Args:
        part: Their rows.
        series: All of the block.
        unit: Of the times.
        several: In what panels of the block differ besides data, ways and shots.
    """
    row = part.row(0, named=True)
    title = [panel_title(row)]
    if "machine" in several:
        title.append(row["machine"])
    if "stacked" in several:
        title.append(stack(row["stacked"]) or "runs alone")
    x = alt.X("time:Q", title=f"running time of a run ({unit})", scale=alt.Scale(zero=True))
    values = (part["score"], part["low"], part["high"])
    y = alt.Y("score:Q", title=axis(row["kind"], row["eval_dataset"]), scale=room(*values))
    timed = [
        alt.Tooltip("time:Q", title=unit, format=".4~g"),
        alt.Tooltip("time_low:Q", title="from", format=".4~g"),
        alt.Tooltip("time_high:Q", title="to", format=".4~g"),
        alt.Tooltip("machine:N"),
        alt.Tooltip("stacked:Q", title="runs at once"),
    ]
    points = alt.Chart(inline(part.select(POINT))).encode(x=x, y=y)
    layers: list[alt.Chart] = []
    joined = orders(part)
    if len(joined):
        line = alt.Chart(inline(joined)).mark_rule(color=FAINT, strokeWidth=0.8, opacity=0.7)
        layers.append(line.encode(x=x, y=y, x2="to_time:Q", y2="to_score:Q"))
    for low, high in (("time_low", "time_high"), ("low", "high")):
        known = part.filter(pl.col(low).is_not_null())
        if known.is_empty():
            continue  # a scale of nothing but nulls would be drawn as 0
        across = {"x": f"{low}:Q", "x2": f"{high}:Q", "y": y}
        up = {"y": f"{low}:Q", "y2": f"{high}:Q", "x": x}
        bars = alt.Chart(inline(known.select(POINT))).mark_rule(strokeWidth=1.2)
        ends = across if low == "time_low" else up
        layers.append(bars.encode(**ends, stroke=stroke(series, legend=True)))
    layers.append(points.mark_point(size=70).encode(**marks(series), **hover(*told(), *timed)))
    return alt.layer(*layers).properties(title=headed(", ".join(title)), width=WIDTH, height=HEIGHT)


def orders(part: pl.DataFrame) -> pl.DataFrame:
    """Return the ends of lines from first-order techniques to their second-order forms.

    Where a technique is there under several settings, equal ones are joined.
    """
    lines = []
    for first, second in SECOND_ORDER.items():
        starts, ends = part.filter(algorithm=first), part.filter(algorithm=second)
        alone = len(starts) == len(ends) == 1
        lines += [
            {"time": a["time"], "score": a["score"], "to_time": b["time"], "to_score": b["score"]}
            for a in starts.to_dicts()
            for b in ends.to_dicts()
            if alone or a["settings"] == b["settings"]
        ]
    return pl.DataFrame(lines, schema=dict.fromkeys(ENDS, pl.Float64))
