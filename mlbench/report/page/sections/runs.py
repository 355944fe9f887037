"""What was run: how many of what, and what came to nothing, with its reason."""

from __future__ import annotations

from typing import Any

import polars as pl

from mlbench.report.page.grid import Heading, grid
from mlbench.report.page.markup import Html, joined, tag
from mlbench.report.page.sql import among_chosen, matching
from mlbench.report.page.study import Section, Study, plural, shown
from mlbench.report.palette import in_order, look
from mlbench.store import queries
from mlbench.store.records import Status

STATUSES: tuple[Status, ...] = ("finished", "diverged", "failed", "interrupted", "running")
WHAT = ("algorithm", "train_dataset", "protocol", "budget")
REMEDY: dict[str, str] = {
    "diverged": "tested with what was selected until then, and counted",
    "failed": "not counted; mlbench resume goes on once the cause is removed",
    "interrupted": "not counted; mlbench resume goes on",
    "running": "not counted yet",
}
ASIDE = 20  # rows; a longer list of trouble is closed at first
LIST = "SELECT run_id, status, shots, seed, started, error FROM runs"


def section(study: Study) -> Section:
    """Return the section."""
    body = joined([overview(study), counts(study), trouble(study), repeated(study)])
    return Section("runs", "What was run", body)


def overview(study: Study) -> Html:
    """Return how many runs there are, over which time."""
    runs = study.material.runs
    label = plural(len(runs), "run")
    button = study.popups.query(
        label, among_chosen(study.material, queries.RUNS), about=f"Lists {label}."
    )
    began, ended = runs.select(pl.col("started").min(), pl.col("finished").max()).row(0)
    techniques = plural(runs["algorithm"].n_unique(), "technique")
    span = f"{began:%-d %B %Y, %H:%M}"
    if ended is not None:
        span += f" to {ended:%-d %B %Y, %H:%M}"
    where = study.material.where
    condition = None if where is None else (" Only those of which ", tag("code", where), " holds.")
    return tag("p", button, f" of {techniques}, {span} (UTC).", condition)


def counts(study: Study) -> Html:
    """Return the runs by technique, data, protocol, budget and status."""
    runs = study.material.runs
    present = [status for status in STATUSES if (runs["status"] == status).any()]
    headings: list[Heading | str] = [
        "technique",
        "trained on",
        Heading("protocol", wraps=True),
        "budget",
        Heading("shots"),
        Heading("seeds", right=True),
        *(Heading(status, right=True) for status in present),
    ]
    groups = dict(runs.group_by(WHAT, maintain_order=True))
    places = {name: place for place, name in enumerate(in_order(runs["algorithm"]))}
    rows = []
    for key in sorted(groups, key=lambda key: (places[str(key[0])], *map(str, key[1:]))):
        group = groups[key]
        rows.append(
            [
                look(str(key[0])).label,
                *map(str, key[1:]),
                ", ".join(map(str, sorted(group["shots"].unique()))),
                str(group["seed"].n_unique()),
                *(count(study, group, dict(zip(WHAT, key, strict=True)), s) for s in present),
            ]
        )
    return grid("Runs by technique, data and budget", headings, rows)


def count(study: Study, group: pl.DataFrame, shared: dict[str, Any], status: Status) -> Html | str:
    """Return how many runs of a group have a status, with the query that lists them."""
    number = len(group.filter(status=status))
    if not number:
        return "–"
    where = f"{LIST}\nWHERE {matching(**shared, status=status)}\nORDER BY started, run_id"
    return study.popups.query(
        str(number),
        among_chosen(study.material, where),
        about=f"Lists {plural(number, 'run')}.",
    )


def trouble(study: Study) -> Html | None:
    """Return the runs that did not finish, each with its reason."""
    runs = study.material.runs
    parts = []
    for status in STATUSES[1:]:
        group = runs.filter(status=status)
        if group.is_empty():
            continue
        table = grid(
            f"{plural(len(group), 'run')} {status}: {REMEDY[status]}",
            ["run", "technique", "trained on", *right("shots", "seed", "tasks"), wide("reason")],
            [row(each) for each in group.sort("started", "run_id").iter_rows(named=True)],
        )
        summary = f"{status.capitalize()}: {len(group)}"
        closed = len(group) > ASIDE
        parts.append(tag("details", tag("summary", summary), table, open=not closed))
    if not parts:
        return tag("p", "Every one of them finished.")
    return joined([tag("h3", "Not finished"), parts])


def right(*names: str) -> list[Heading]:
    """Return headings of numbers."""
    return [Heading(name, right=True) for name in names]


def wide(name: str) -> Heading:
    """Return the heading of a column of text."""
    return Heading(name, wraps=True)


def row(run: dict[str, Any]) -> list[Html | str]:
    """Return a run that did not finish."""
    default = "no reason was recorded: it was stopped, or killed"
    reason = run["error"] or ("" if run["status"] == "running" else default)
    return [
        tag("code", run["run_id"]),
        look(run["algorithm"]).label,
        run["train_dataset"],
        str(run["shots"]),
        str(run["seed"]),
        f"{shown(run['tasks_trained'])} / {run['train_tasks']}",
        reason,
    ]


def repeated(study: Study) -> Html | None:
    """Return how many runs were run again later and do not count."""
    names = set(study.material.results["run_id"]) - set(study.material.counted["run_id"])
    if not names:
        return None
    return tag(
        "p",
        f"{plural(len(names), 'run')} of a seed that was run again later: ",
        "of those the last counts. Not counted: ",
        joined([[", " if place else "", tag("code", n)] for place, n in enumerate(sorted(names))]),
        ".",
    )
