"""On what: data, machines, packages and commits, and what is amiss with them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mlbench.report.page.grid import Heading, grid
from mlbench.report.page.markup import Child, Html, joined, tag
from mlbench.report.page.study import Section, Study, plural, shown
from mlbench.store import study_queries

GIB = 2**30


def section(study: Study) -> Section:
    """Return the section."""
    body = joined([data(study), machines(study), packages(study), commits(study)])
    return Section("origin", "On what it was run", body)


def data(study: Study) -> Html:
    """Return the data sets with their fingerprints, those that are incomplete in alarm."""
    frame = study.ask(study_queries.DATA)
    rows: list[Sequence[Child]] = [
        [
            row["dataset"],
            tag("code", row["fingerprint"]),
            str(row["trained"]),
            str(row["tested"]),
            whole(row["incomplete"]),
        ]
        for row in frame.iter_rows(named=True)
    ]
    numbers = [Heading("runs trained", right=True), Heading("runs tested", right=True)]
    headings: list[Heading | str] = [
        "data set",
        "fingerprint",
        *numbers,
        Heading("complete", wraps=True),
    ]
    advice = "Data: equal fingerprints, equal episodes"
    return joined([grid(sourced(study, advice, study_queries.DATA), headings, rows), strays(frame)])


def whole(incomplete: str | None) -> Html | str:
    """Return whether a data set is whole, and what it lacks."""
    return "yes" if incomplete is None else tag("strong", f"no: {incomplete}", class_="alarm")


def strays(frame: pl.DataFrame) -> Html | None:
    """Return a warning of data sets that were not the same in all runs."""
    kinds = frame.group_by("dataset").agg(pl.col("fingerprint").n_unique()).sort("dataset")
    names = kinds.filter(pl.col("fingerprint") > 1)["dataset"].to_list()
    if not names:
        return None
    text = f"Not the same data in all runs: {', '.join(names)}. Runs of different data are not"
    return tag("p", f"{text} pooled, and no episode of the one is an episode of the other.")


def machines(study: Study) -> Html:
    """Return where the runs were computed."""
    rows = [
        [
            row["host"],
            shown(row["cpu"]),
            shown(row["cores"]),
            "–" if row["memory_bytes"] is None else f"{row['memory_bytes'] / GIB:.0f}",
            shown(row["gpu"]),
            row["device"],
            shown(row["threads"]),
            shown(row["engine"]),
            row["os"],
            row["python"],
            shown(row["allocator"]),
            str(row["runs"]),
        ]
        for row in study.ask(study_queries.MACHINES).iter_rows(named=True)
    ]
    headings: list[Heading | str] = [
        "host",
        "CPU",
        Heading("cores", right=True),
        Heading("memory, GiB", right=True),
        "GPU",
        "device",
        Heading("threads", right=True),
        "engine",
        "system",
        "Python",
        "allocator",
        Heading("runs", right=True),
    ]
    return grid(sourced(study, "Machines", study_queries.MACHINES), headings, rows)


def packages(study: Study) -> Html:
    """Return the packages that the numbers rest on."""
    frame = study.ask(study_queries.PACKAGES)
    rows = [[name, version, str(runs)] for name, version, runs in frame.iter_rows()]
    several = frame.group_by("name").len().filter(pl.col("len") > 1)["name"].sort().to_list()
    caption = "Packages"
    if several:
        caption += f"; not of one version: {', '.join(several)}"
    headings: list[Heading | str] = ["package", "version", Heading("runs", right=True)]
    return grid(sourced(study, caption, study_queries.PACKAGES), headings, rows)


def commits(study: Study) -> Html:
    """Return the commits of the code, and whether it had changes."""
    frame = study.ask(study_queries.COMMITS)
    state = {None: "not a checkout", False: "no", True: "yes: the code is not that of the commit"}
    rows = [
        [
            "–" if commit is None else tag("code", commit),
            state[dirty] if dirty is not True else tag("strong", state[True], class_="alarm"),
            f"{first:%Y-%m-%d %H:%M}",
            str(runs),
        ]
        for commit, dirty, runs, first in frame.iter_rows()
    ]
    headings: list[Heading | str] = ["commit", "changes", "first used", Heading("runs", right=True)]
    caption = f"Code: {plural(len(frame), 'state')}"
    return grid(sourced(study, caption, study_queries.COMMITS), headings, rows)


def sourced(study: Study, caption: str, question: str) -> Html:
    """Return a caption with the query of its table behind a button."""
    button = study.popups.query(
        "SQL", study.query(question), about="Gives this table.", class_="more"
    )
    return joined([caption, " ", button])
