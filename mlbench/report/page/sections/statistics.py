"""The statistics that a page uses, and what they rest on."""

from __future__ import annotations

import polars as pl

from mlbench.report.page.markup import Html, joined, tag
from mlbench.report.page.study import Section, Study, plural
from mlbench.stats.caveats import caveat
from mlbench.stats.names import PHRASES

OTHERS = {
    "paired difference": "mean of first - second over the episodes that both met, with the same"
    " seeds; two-level bootstrap 95 % interval over runs and episodes. Wins, losses and ties, and"
    " Wilcoxon's signed rank test, are over episodes, each the mean over runs.",
    "Holm": "p-values are adjusted over all pairs of one setting, data sets, ways and shots: those"
    " below 0.05 are all of them right with a probability of at least 95 %.",
    "running time": "median over runs of wall time, bootstrap 95 % interval; ratios are of runs of"
    " one seed on one machine, nearest in time.",
}


def section(study: Study) -> Section:
    """Return the section."""
    summary = study.material.summary
    terms = [
        joined([tag("dt", name), tag("dd", f"{PHRASES[name]}.")])
        for name in PHRASES
        if (summary["statistic"] == name).any()
    ]
    terms.extend(joined([tag("dt", name), tag("dd", text)]) for name, text in OTHERS.items())
    return Section("statistics", "Statistics", joined([tag("dl", terms), caveats(summary)]))


def caveats(summary: pl.DataFrame) -> Html | None:
    """Return what few runs cannot say."""
    tested = summary.filter(pl.col("runs") > 0)
    if tested.is_empty():
        return None
    fewest, most, dropped = tested.select(
        pl.col("runs").min(), most=pl.col("runs").max(), dropped=pl.col("trimmed").sum()
    ).row(0)
    span = plural(most, "run") if fewest == most else f"{fewest} to {most} runs"
    single = len(tested.filter(runs=1))
    alone = f", {single} of them on one alone, which has no interval" if single else ""
    notes = [f"Of {plural(len(tested), 'number')} in the tables each rests on {span}{alone}."]
    small = tested.select("statistic", "runs").filter(pl.col("runs") > 1).unique()
    for statistic, runs in small.sort("statistic", "runs").iter_rows():
        if said := caveat(statistic, runs):
            notes.append(f"{statistic.capitalize()} of {said}.")
    if dropped:
        notes.append(f"The trimmed statistic dropped {plural(dropped, 'score')}.")
    return tag("ul", [tag("li", note) for note in notes])
