"""``mlbench list``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from mlbench.cli.output import Form, form_options, print_data, print_rows
from mlbench.cli.parameters import database_option
from mlbench.errors import PluginError
from mlbench.registry import Kind, Plugin, find_plugins, load_plugin

RUN_COLUMNS = (
    "run_id",
    "algorithm",
    "train_dataset",
    "eval_datasets",
    "ways",
    "shots",
    "seed",
    "protocol",
    "budget",
    "settings",
    "status",
    "tasks_trained",
    "started",
    "finished",
    "error",
)


@click.command("list")
@click.argument("what", type=click.Choice(["algorithms", "datasets", "runs"]))
@click.option("--names", is_flag=True, help="Print names only; of plugins, without loading them.")
@form_options
@database_option
def command(what: str, names: bool, form: Form, database: Path) -> None:
    r"""List the algorithms, the datasets or the runs that there are.

    A plugin that cannot be used is listed with the reason, and so is a run that failed or
    diverged. Settings are those in which runs of one technique and task differ.

    \b
    Examples:
      mlbench list algorithms
      mlbench list runs --csv
    """
    if what == "runs":
        print_runs(database, form, names=names)
    else:
        print_plugins("algorithms" if what == "algorithms" else "datasets", form, names=names)


def print_runs(database: Path, form: Form, *, names: bool) -> None:
    """Print the runs of a database, the oldest first."""
    from mlbench.cli.waiting import up_to_date
    from mlbench.stats.settings import run_differences
    from mlbench.store.paths import StorePaths
    from mlbench.store.queries import hyperparameters, list_runs

    paths = StorePaths(database)
    with up_to_date(paths, "the list"):
        runs = list_runs(paths)
        if names:
            print_names(runs["run_id"])
            return
        runs = runs.with_columns(run_differences(runs, hyperparameters(paths)))
        print_rows(runs.iter_rows(named=True), RUN_COLUMNS, form)


def print_plugins(kind: Kind, form: Form, *, names: bool) -> None:
    """Print the plugins of a kind, in alphabetical order."""
    if names:
        print_names(find_plugins(kind))
        return
    rows = [plugin_row(plugin) for plugin in find_plugins(kind).values()]
    if form == "text":
        shown = [{**row, "summary": row["fault"] or row["summary"]} for row in rows]
        print_rows(shown, ("name", "summary"))
    else:
        print_rows(rows, ("name", "summary", "files", "fault"), form)


def print_names(names: Iterable[str]) -> None:
    """Print one name a line."""
    print_data("".join(f"{name}\n" for name in names))


def plugin_row(plugin: Plugin) -> dict[str, Any]:
    """Return what is known of a plugin, after loading it."""
    return {
        "name": plugin.name,
        "summary": plugin.summary,
        "files": list(plugin.places),
        "fault": fault(plugin),
    }


def fault(plugin: Plugin) -> str | None:
    """Return why a plugin cannot be used, or ``None``."""
    try:
        load_plugin(plugin)
    except PluginError as err:
        return str(err)
    return None
