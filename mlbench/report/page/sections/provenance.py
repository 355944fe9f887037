"""Where each run comes from: a row per run, with what it was set to behind a click."""

from __future__ import annotations

from typing import Any

from mlbench.report.page.grid import Heading, grid
from mlbench.report.page.markup import Html, joined, tag
from mlbench.report.page.sections.origin import sourced
from mlbench.report.page.study import Section, Study, plural, shown
from mlbench.report.palette import look
from mlbench.report.tables.words import stack
from mlbench.store import study_queries

HEADINGS = (
    "run",
    "technique",
    "trained on",
    "tested on",
    Heading("ways", right=True),
    Heading("shots", right=True),
    Heading("seed", right=True),
    "status",
    "started (UTC)",
    "settings",
    "files",
    "command",
    "commit",
    "machine",
    Heading("attempts", right=True),
)
OPEN = 20  # runs; a longer list is closed at first


def section(study: Study) -> Section:
    """Return the section."""
    runs = study.material.runs
    attempts: dict[str, list[dict[str, Any]]] = {}
    for attempt in study.ask(study_queries.ATTEMPTS).iter_rows(named=True):
        attempts.setdefault(attempt["run_id"], []).append(attempt)
    settings = settings_by_run(study)
    files = files_by_run(study)
    rows = []
    for run in runs.sort("started", "run_id").iter_rows(named=True):
        name = run["run_id"]
        buttons = (
            study.popups.button("show", settings.get(name), heading="Settings"),
            study.popups.button("show", files.get(name), heading="Plugin files (SHA-256)"),
        )
        rows.append(row(run, buttons, attempts.get(name, [])))
    table = grid(sourced(study, "Runs, oldest first", study_queries.ATTEMPTS), HEADINGS, rows)
    label = f"{plural(len(runs), 'run')}, with command, commit, machine and settings"
    body = tag("details", tag("summary", label), table, open=len(runs) <= OPEN)
    return Section("provenance", "Provenance", body)


def row(
    run: dict[str, Any], buttons: tuple[Html, Html], attempts: list[dict[str, Any]]
) -> list[Html | str]:
    """Return the row of a run; of several attempts, what each was that differs."""
    settings, files = buttons
    return [
        tag("code", run["run_id"]),
        look(run["algorithm"]).label,
        run["train_dataset"],
        ", ".join([run["train_dataset"], *run["eval_datasets"]]),
        shown(run["ways"]),
        str(run["shots"]),
        str(run["seed"]),
        run["status"],
        f"{run['started']:%Y-%m-%d %H:%M}",
        settings,
        files,
        each(dict.fromkeys(tag("code", attempt["command"]) for attempt in attempts)),
        each(dict.fromkeys(commit(attempt) for attempt in attempts)),
        each(dict.fromkeys(machine(attempt) for attempt in attempts)),
        str(run["attempts"]),
    ]


def each(parts: dict[Html, None]) -> Html:
    """Return what attempts had, one under the other."""
    return joined([[tag("br") if place else None, part] for place, part in enumerate(parts)])


def commit(attempt: dict[str, Any]) -> Html:
    """Return the commit of an attempt, shortened, and whether the code had changes."""
    if attempt["git_commit"] is None:
        return joined("–")
    changed = " with changes" if attempt["git_dirty"] else None
    return joined([tag("code", attempt["git_commit"][:10], title=attempt["git_commit"]), changed])


def machine(attempt: dict[str, Any]) -> Html:
    """Return where an attempt ran, in short."""
    threads = attempt["threads"]
    parts = [
        attempt["host"],
        attempt["gpu"] if attempt["device"] != "cpu" else attempt["cpu"],
        attempt["device"],
        None if threads is None else plural(threads, "thread"),
        attempt["engine"],
        "compiled" if attempt["compiled"] else None,
        stack(attempt["stacked"]),
    ]
    return joined(", ".join(part for part in parts if part))


def settings_by_run(study: Study) -> dict[str, Html]:
    """Return the hyperparameters of each run, part by part."""
    parts: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for run_id, part, name, value in study.material.hyperparameters.iter_rows():
        parts.setdefault(run_id, {}).setdefault(part, []).append((name, value))
    return {
        run_id: joined([listed(*part) for part in found.items()]) for run_id, found in parts.items()
    }


def listed(part: str, values: list[tuple[str, str]]) -> Html:
    """Return settings as a list under the name of what they set."""
    items = [[tag("dt", name), tag("dd", tag("code", value))] for name, value in values]
    return joined([tag("h4", part), tag("dl", items)])


def files_by_run(study: Study) -> dict[str, Html]:
    """Return the plugin files of each run with their hashes."""
    files: dict[str, list[Html]] = {}
    for run_id, path, digest in study.ask(study_queries.PLUGIN_FILES).iter_rows():
        items = joined([tag("dt", path), tag("dd", tag("code", digest))])
        files.setdefault(run_id, []).append(items)
    return {run_id: tag("dl", found) for run_id, found in files.items()}
