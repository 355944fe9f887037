"""Techniques in pairs on identical episodes, with what tells chance from difference."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.report.compared import LEVEL, SIDES, TOGETHER, apart, ordered, p_text, signed
from mlbench.report.page.grid import Heading, grid
from mlbench.report.page.markup import Child, Html, joined, tag
from mlbench.report.page.pairs import named, selected
from mlbench.report.page.sql import listed, literal
from mlbench.report.page.study import Section, Study, plural
from mlbench.stats.paired import COMPETITOR, competitors
from mlbench.stats.summary import latest
from mlbench.store.records import Kind

PAIRED = """
SELECT episode_key, min(episode) AS episode,
       avg(score) FILTER (run_id IN {first}) AS first,
       avg(score) FILTER (run_id IN {second}) AS second,
       first - second AS difference
FROM episodes
WHERE phase = 'test' AND eval_dataset = {dataset}
  AND run_id IN {both}
GROUP BY episode_key
HAVING count(DISTINCT run_id) = {count}
ORDER BY episode
"""

Runs = dict[tuple[Any, ...], dict[int, str]]
"""The runs of each competitor, by seed."""


def section(study: Study) -> Section:
    """Return the section."""
    material = study.material
    compared = material.comparisons
    if not compared["episodes"].sum():
        text = "No two techniques were tested on the same episodes, so there is nothing to compare."
        return Section("comparisons", "Paired comparisons", tag("p", text))
    runs = runs_by_competitor(study)
    advice = tag(
        "p",
        "Two techniques meet the very same test episodes with the same seeds; the difference is",
        " that of the first less the second, with its 95 % interval. Wins are episodes on which"
        f" the first does better. Bold: Holm's p is below {LEVEL} and the interval leaves out 0."
        " The interval allows for other seeds and other episodes, the test for other episodes"
        " alone: where they disagree, believe the interval. Press a difference for the SQL that"
        " lists it, episode by episode.",
    )
    parts = [
        part
        for part in ordered(compared).partition_by(TOGETHER, maintain_order=True)
        if part["episodes"].sum()
    ]
    groups = [field(study, part, runs, first=part is parts[0]) for part in parts]
    return Section("comparisons", "Paired comparisons", joined([advice, groups]))


def runs_by_competitor(study: Study) -> Runs:
    """Return the runs of each competitor, by what it shares, its name and its settings."""
    material = study.material
    rows = competitors(latest(material.counted), material.hyperparameters)
    found: Runs = {}
    for row in rows.iter_rows(named=True):
        key = tuple(row[name] for name in (*TOGETHER, COMPETITOR[0], "settings"))
        found[key] = dict(zip(row["seeds"], row["runs"], strict=True))
    return found


def field(study: Study, group: pl.DataFrame, runs: Runs, *, first: bool) -> Html:
    """Return the pairs of one setting and its data, closed but for the first of all."""
    rows = list(group.filter(pl.col("episodes") > 0).iter_rows(named=True))
    chosen, remark = selected(rows, ahead)
    shared = rows[0]
    number = sum(map(apart, rows))
    ways = "" if shared["ways"] is None else f"{shared['ways']}-way "
    title = (
        f"{shared['train_dataset']} → {shared['eval_dataset']}, {ways}{shared['shots']}-shot,"
        f" {shared['protocol']}, {shared['budget']} budget:"
        f" {plural(len(rows), 'pair')}, {number} told apart"
    )
    caption = (
        f"{shared['train_tasks']} training tasks, {shared['test_tasks']} test tasks,"
        f" {shared['queries']} queries, {shared['precision']}"
    )
    headings: list[Heading | str] = [
        Heading("first", wraps=True),
        Heading("second", wraps=True),
        Heading("difference", right=True),
        "95 % interval",
        Heading("wins–losses–ties", right=True),
        Heading("p (Wilcoxon)", right=True),
        Heading("p (Holm)", right=True),
        Heading("runs", right=True),
        Heading("episodes", right=True),
    ]
    table = grid(caption, headings, [pair(study, row, runs) for row in chosen])
    rest = len(group) - len(rows)
    unmet = f"{plural(rest, 'other pair')} met no episode with the same seed." if rest else None
    notes = [tag("p", n, class_="legend") for n in (remark, unmet, shared["incomplete"]) if n]
    return tag("details", tag("summary", title), table, notes, open=first)


def ahead(row: dict[str, Any]) -> bool | None:
    """Return whether the first of a pair is better."""
    if not row["difference"]:
        return None
    return bool((row["difference"] > 0) == (row["kind"] == "classification"))


def pair(study: Study, row: dict[str, Any], runs: Runs) -> list[Child]:
    """Return the row of a pair."""
    kind: Kind = row["kind"]
    label: Child = signed(row["difference"], kind)
    ends = "–"
    if row["low"] is not None:
        ends = f"{signed(row['low'], kind)} to {signed(row['high'], kind)}"
    unsure = f", {row['nan_episodes']} not finite" if row["nan_episodes"] else ""
    about = f"Lists both scores and their difference on {plural(row['episodes'], 'episode')}."
    return [
        *named(row),
        study.popups.query(
            tag("strong", label) if apart(row) else label, query(row, runs), about=about
        ),
        ends,
        f"{row['wins']}–{row['losses']}–{row['ties']}{unsure}",
        p_text(row["p_value"]),
        p_text(row["p_holm"]),
        str(row["runs"]),
        str(row["episodes"]),
    ]


def query(row: dict[str, Any], runs: Runs) -> str:
    """Return SQL for the scores of a pair, episode by episode; empty where they have none."""
    key = tuple(row[name] for name in TOGETHER)
    first, second = [runs[(*key, row[s], row[f"{s}_settings"])] for s in SIDES]
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return ""
    ours, theirs = [[side[seed] for seed in seeds] for side in (first, second)]
    return PAIRED.format(
        first=listed(ours),
        second=listed(theirs),
        both=listed([*ours, *theirs]),
        dataset=literal(row["eval_dataset"]),
        count=2 * len(seeds),
    )
