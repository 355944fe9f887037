"""Running times beside scores, and how those of two techniques compare on one machine."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.report.compared_times import time_pairs
from mlbench.report.page.grid import Heading, grid
from mlbench.report.page.markup import Child, Html, joined, tag
from mlbench.report.page.pairs import named, selected
from mlbench.report.page.sql import Expression, filled, listed, matching, runs_of
from mlbench.report.page.study import Section, Study, plural
from mlbench.report.palette import in_order, look
from mlbench.report.tables.words import duration, number, stack
from mlbench.stats.caveats import untimed
from mlbench.stats.paired import CONDITIONS
from mlbench.stats.summary import ROW, SAME, SETTING
from mlbench.stats.times import unequal_stacks, with_machines
from mlbench.store import queries

SECONDS = """
SELECT run_id, seed, status, seconds, train_seconds, validation_seconds, test_seconds, score
FROM running_times
WHERE run_id IN {runs}
ORDER BY seed, run_id
"""
BOTH = "(SELECT list(run_id) FROM {runs} WHERE algorithm IN {algorithms} AND {shared})"
ALIKE = tuple(name for name in SAME if name not in {"statistic", "eval_fingerprint"})
PAIRED = ("train_dataset", "ways", "shots", "machine", "stacked")
OPEN = 12  # rows; a longer table of ratios is closed at first

Runs = dict[tuple[Any, ...], list[str]]
"""The runs that are timed together."""


def section(study: Study) -> Section:
    """Return the section."""
    material = study.material
    frame = material.time_summary
    told = untimed(unequal_stacks(material.times))
    unequal = tag("p", f"{told}.") if told else None
    if frame.is_empty():
        text = "No run that finished has timed its phases, so there is no time to tell."
        return Section("times", "Running times", joined([tag("p", text), unequal]))
    runs = timed_runs(study)
    advice = tag(
        "p",
        "Wall time of a whole run: training, validations and tests; the median over runs, with",
        " its 95 % bootstrap interval. Press a time for the SQL that lists it, run by run.",
    )
    parts = [
        medians(part, study, runs) for part in frame.partition_by(SETTING, maintain_order=True)
    ]
    return Section("times", "Running times", joined([advice, parts, unequal, ratios(study)]))


def timed_runs(study: Study) -> Runs:
    """Return the runs behind each row of times, by what they share."""
    results = study.material.results
    own = results.filter(pl.col("eval_dataset") == pl.col("train_dataset"))
    times = with_machines(study.material.times).filter(status="finished")
    joint = times.select("run_id", "machine").join(own, on="run_id")
    found: Runs = {}
    for row in joint.iter_rows(named=True):
        found.setdefault(key(row), []).append(row["run_id"])
    return found


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what runs share that are timed together."""
    return tuple(row[name] for name in (*ALIKE, "machine", "stacked"))


def medians(part: pl.DataFrame, study: Study, runs: Runs) -> Html:
    """Return the times of one setting."""
    places = {name: place for place, name in enumerate(in_order(part["algorithm"]))}
    rows = sorted(
        part.iter_rows(named=True),
        key=lambda row: (row["train_dataset"], row["shots"], places[row["algorithm"]]),
    )
    shared = rows[0]
    caption = (
        f"{shared['protocol']}, {shared['budget']} budget: {shared['train_tasks']} training tasks,"
        f" {shared['test_tasks']} test tasks; {shared['precision']}"
    )
    headings: list[Heading | str] = [
        "technique",
        Heading("settings", wraps=True),
        "data",
        Heading("shots", right=True),
        Heading("time", right=True),
        "95 % interval",
        Heading("training", right=True),
        Heading("validation", right=True),
        Heading("test", right=True),
        Heading("score", right=True),
        Heading("runs", right=True),
        "machine",
    ]
    stacked = any(row["stacked"] != 1 for row in rows)
    if stacked:
        headings.append(Heading("stacked", right=True))
    lines = [line(row, study, runs) + [str(row["stacked"])] * stacked for row in rows]
    return grid(caption, headings, lines)


def line(row: dict[str, Any], study: Study, runs: Runs) -> list[Child]:
    """Return the row of a technique on a machine."""
    names = runs.get(key(row), [])
    sql = SECONDS.format(runs=listed(names)) if names else ""
    about = f"Lists the seconds of {plural(len(names), 'run')}."
    ends = "–"
    if row["seconds_low"] is not None:
        ends = f"{duration(row['seconds_low'])} to {duration(row['seconds_high'])}"
    stopped = f" ({row['diverged']} diverged, not timed)" if row["diverged"] else ""
    return [
        look(row["algorithm"]).label,
        row["settings"],
        row["train_dataset"],
        str(row["shots"]),
        study.popups.query(duration(row["seconds"]), sql, about=about),
        ends,
        duration(row["train_seconds"]),
        duration(row["validation_seconds"]),
        duration(row["test_seconds"]),
        number(row["score"], row["kind"]),
        f"{row['runs']}{stopped}",
        row["machine"],
    ]


def ratios(study: Study) -> Html | None:
    """Return how the times of two techniques compare, by runs that took turns."""
    frame = time_pairs(study.material)
    if frame.is_empty():
        return None
    advice = tag(
        "p",
        "How much longer the first takes: the median over pairs of runs of one seed on one",
        " machine, the nearest in time, with its 95 % bootstrap interval.",
    )
    groups = [
        compared(study, part)
        for part in frame.partition_by([*CONDITIONS, *PAIRED], maintain_order=True)
    ]
    return joined([tag("h3", "One against another"), advice, groups])


def compared(study: Study, part: pl.DataFrame) -> Html:
    """Return the ratios of one setting, data set and machine."""
    rows = list(part.iter_rows(named=True))
    shared = rows[0]
    chosen, remark = selected(rows, lambda row: row["ratio"] < 1 if row["ratio"] != 1 else None)
    ways = "" if shared["ways"] is None else f"{shared['ways']}-way "
    title = (
        f"{shared['train_dataset']}, {ways}{shared['shots']}-shot, {shared['protocol']},"
        f" {shared['budget']} budget, {where(shared)}: {plural(len(rows), 'pair')}"
    )
    headings: list[Heading | str] = [
        Heading("first", wraps=True),
        Heading("second", wraps=True),
        Heading("times as long", right=True),
        "95 % interval",
        Heading("pairs", right=True),
        Heading("apart", right=True),
    ]
    table = grid(
        "Wall time of the first divided by that of the second",
        headings,
        [ratio(study, row) for row in chosen],
    )
    note = tag("p", remark, class_="legend") if remark else None
    return tag("details", tag("summary", title), table, note, open=len(chosen) <= OPEN)


def where(row: dict[str, Any]) -> str:
    """Return on what machine runs were timed, and how many at once."""
    return ", ".join(filter(None, [row["machine"], stack(row["stacked"])]))


def ratio(study: Study, row: dict[str, Any]) -> list[Child]:
    """Return the row of a pair."""
    ends = "–" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
    about = (
        "Lists the running times of both techniques here, of which those of one seed are paired."
    )
    return [
        *named(row),
        study.popups.query(f"{row['ratio']:.2f}", query(study, row), about=about),
        ends,
        str(row["pairs"]),
        duration(row["apart"]),
    ]


def query(study: Study, row: dict[str, Any]) -> str:
    """Return SQL for the times of both techniques of a pair."""
    shared = {name: row[name] for name in (*CONDITIONS, *ROW) if name in row}
    algorithms = listed([row["first"], row["second"]])
    runs = BOTH.format(
        runs=runs_of(study.material), algorithms=algorithms, shared=matching(**shared)
    )
    return filled(queries.TIMES, runs=Expression(runs))
