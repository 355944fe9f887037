"""Techniques compared on identical episodes: differences with intervals, and Holm's p."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from mlbench.report.compared import ONE_RUN
from mlbench.report.figures import Options
from mlbench.report.figures.blocks import BLOCK, Block, figure, something, split, undrawn
from mlbench.report.figures.series import SPOT, Series, series_label
from mlbench.report.figures.theme import (
    FAINT,
    ROW,
    WIDTH,
    Panel,
    beside,
    few,
    headed,
    inline,
    listed,
    marks,
    present,
    stroke,
)
from mlbench.report.figures.wording import SCORES, panel_title, span
from mlbench.report.material import Material
from mlbench.report.palette import in_order, look
from mlbench.stats.paired import comparisons, flip

MOST_PAIRS = 15  # a panel, unless asked for one baseline
USUAL = "maml"
LEAST_P = 0.001
GAP = "\u2003" * 3  # plain spaces would be drawn as one
SHOWN = (
    *("series", "difference", "low", "high", "p_value", "p_holm", "p_text"),
    *("wins", "losses", "ties", "runs", "episodes"),
)


def draw(material: Material, options: Options) -> alt.VConcatChart:
    """Return a row per pair, a panel per pair of data sets, ways and shots."""
    baseline = options.baseline or usual_baseline(material)
    compared = material.comparisons if baseline is None else against(material, baseline)
    frame = something(
        with_something(in_palette_order(compared, baseline)),
        material,
        "two techniques that were tested on the same episodes",
        "run turtle --train sine --budget smoke",
    ).with_columns(statistic=pl.lit("mean"))

    def block(part: pl.DataFrame) -> Block:
        part, series = with_pairs(part, baseline)
        drawn = part.filter(pl.col("difference").is_not_null())
        charts = [panel(each, series, baseline) for each in split(drawn, SPOT)]
        said = sentences(drawn, baseline, chosen=options.baseline is not None)
        return Block(charts, [*said, *lost(part)])

    every = material.counted.with_columns(statistic=pl.lit("mean"))
    left_out = undrawn(every, frame, "nothing to compare on identical episodes")
    return figure("Paired differences", frame, block, left_out)


def against(material: Material, baseline: str) -> pl.DataFrame:
    """Return the pairs with the baseline alone, among which Holm adjusts."""
    return comparisons(
        material.counted, material.test_episodes, material.hyperparameters, baseline=baseline
    )


def with_something(compared: pl.DataFrame) -> pl.DataFrame:
    """Return the comparisons of those blocks in which something came of any."""
    return compared.filter(pl.col("difference").count().over(BLOCK) > 0)


def usual_baseline(material: Material) -> str | None:
    """Return what to compare with where all pairs would be too many; ``None`` for all pairs."""
    counted = material.counted.filter(pl.col("score").is_not_null())
    fields = counted.group_by(SPOT).agg(n=pl.struct("algorithm", "settings_hash").n_unique())
    most = max(fields["n"], default=0)
    if most * (most - 1) // 2 <= MOST_PAIRS:
        return None
    names = in_order(counted["algorithm"])
    return USUAL if USUAL in names else names[0]


def in_palette_order(compared: pl.DataFrame, baseline: str | None) -> pl.DataFrame:
    """Return comparisons of later techniques with earlier ones, or of all with the baseline."""
    names = pl.Enum(in_order([*compared["first"], *compared["second"]]))
    ranks = compared.with_columns(
        rank=pl.col("first").cast(names).to_physical(),
        other=pl.col("second").cast(names).to_physical(),
    )
    forward = (pl.col("rank") >= pl.col("other")) | pl.lit(baseline is not None)
    turned = pl.concat([compared.filter(ranks.select(forward).to_series())])
    back = flip(compared.filter(~ranks.select(forward).to_series()))
    both = pl.concat([turned, back.select(turned.columns)])
    return both.sort(
        pl.col("first").cast(names),
        "first_settings",
        pl.col("second").cast(names),
        "second_settings",
        maintain_order=True,
    )


def with_pairs(part: pl.DataFrame, baseline: str | None) -> tuple[pl.DataFrame, list[Series]]:
    """Return comparisons with ``series``, the label of each pair, and how pairs are shown.

    A pair has the look of its first technique.
    """
    one = baseline is not None and part["second_settings"].n_unique() == 1
    rows = []
    found: dict[str, Series] = {}
    for row in part.to_dicts():
        label = series_label(row["first"], row["first_settings"])
        if not one:
            label += f" − {series_label(row['second'], row['second_settings'])}"
        rows.append(label)
        own = look(row["first"])
        found[label] = Series(
            label=label, colour=own.colour, shape=own.shape, hollow=own.hollow, dash=()
        )
    texts = pl.col("p_holm").map_elements(p_text, return_dtype=pl.String)
    return part.with_columns(pl.Series("series", rows, pl.String), p_text=texts), [*found.values()]


def p_text(p_value: float) -> str:
    """Return a p-value to three places."""
    return f"p < {LEAST_P}" if p_value < LEAST_P else f"p = {p_value:.3f}"


def sentences(part: pl.DataFrame, baseline: str | None, *, chosen: bool) -> list[str]:
    """Return what the rows are."""
    said = [
        "Mean difference on identical test episodes, first − second, with its 95 % interval over"
        f" runs and episodes; {span(part['runs'], 'run')} and {span(part['episodes'], 'episode')}"
        " each.",
        "At the right: Wilcoxon's signed-rank p, adjusted by Holm within the panel.",
    ]
    if (part["runs"] == 1).any():
        said.append(ONE_RUN)
    if baseline is not None and not chosen:
        said.append("All pairs would be too many; --baseline names another technique.")
    return said


def lost(part: pl.DataFrame) -> list[str]:
    """Return which pairs could not be compared in some panel."""
    without = part.filter(pl.col("difference").is_null())["series"].unique(maintain_order=True)
    if without.is_empty():
        return []
    return [
        "Not drawn where the two have no seed and episode in common, or a score is not finite:"
        f" {', '.join(without)}."
    ]


def panel(part: pl.DataFrame, series: Sequence[Series], baseline: str | None) -> Panel:
    """Return the pairs of one panel as a forest plot."""
    row = part.row(0, named=True)
    shown = present(series, part)
    base = alt.Chart(inline(part.select(SHOWN))).encode(y=listed(shown))
    x = alt.X(
        "difference:Q", title=axis_title(row, baseline), scale=alt.Scale(zero=True), axis=few()
    )
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=FAINT, strokeWidth=1.2)
    tooltip = [
        alt.Tooltip("series:N", title="pair"),
        *(alt.Tooltip(f"{name}:Q", format="+.4f") for name in ("difference", "low", "high")),
        *(alt.Tooltip(f"{name}:Q") for name in ("wins", "losses", "ties", "runs", "episodes")),
        alt.Tooltip("p_value:Q", title="p", format=".2~g"),
        alt.Tooltip("p_holm:Q", title="p (Holm)", format=".2~g"),
    ]
    return alt.layer(
        zero.encode(x=alt.X("zero:Q")),
        base.mark_rule(strokeWidth=1.6).encode(
            x=alt.X("low:Q"), x2="high:Q", stroke=stroke(series)
        ),
        base.mark_point().encode(x=x, tooltip=tooltip, **marks(series, legend=False)),
        beside(base, "p_text"),
    ).properties(title=headed(panel_title(row)), width=WIDTH, height=ROW * len(shown))


def axis_title(row: dict[str, Any], baseline: str | None) -> list[str]:
    """Return what is measured and which direction is the better one."""
    first, second = ("technique", look(baseline).label) if baseline else ("first", "second")
    left, right = (first, second) if row["kind"] == "regression" else (second, first)
    return [
        f"difference in {SCORES[row['kind']]} on {row['eval_dataset']}, {first} − {second}",
        f"← {left} better{GAP}{right} better →",
    ]
