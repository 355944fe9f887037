"""``mlbench prune``."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click

from mlbench.cli.data.download import amount, on_terminal
from mlbench.cli.parameters import database_option

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A span of time, as ``30d``."""

    name = "AGE"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the span."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,5})([hdw])", value.strip(), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no age; write hours, days or weeks, as 12h, 30d or 8w.")
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@click.command("prune")
@click.option(
    "--older-than",
    "age",
    type=Age(),
    default="30d",
    show_default=True,
    help="Only runs that ended longer ago than this.",
)
@click.option(
    "--where", metavar="SQL", help="Only runs of which this holds, over the columns of 'runs'."
)
@click.option(
    "--validations",
    is_flag=True,
    help="Drop validation episodes too; the mean of each validation stays.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_option
def command(
    age: timedelta, where: str | None, validations: bool, yes: bool, database: Path
) -> None:
    r"""Drop the training episodes of runs that have had their result for long.

    Results, test and validation episodes, validations, times and origins stay; of a learning curve
    its validations do. Only runs that finished or diverged are pruned. What is dropped is gone for
    good, from the journals too: mlbench backup keeps a copy, mlbench export one of the tables. A
    run that was pruned before is left as it is.

    \b
    Examples:
      mlbench prune
      mlbench prune --older-than 8w --where "budget = 'smoke'" --yes
      mlbench prune --older-than 0h --validations
    """
    from mlbench.cli.told import fail_if, many, tell
    from mlbench.errors import MisuseError
    from mlbench.store.paths import StorePaths
    from mlbench.store.upkeep.pruning import prunable, prune
    from mlbench.store.user_sql import choose_runs

    paths = StorePaths(database)
    chosen = None if where is None else choose_runs(paths, where)
    found = prunable(paths, age, chosen, ("train", "validation") if validations else ("train",))
    kind = "episode" if validations else "training episode"
    if not found.episodes:
        tell("There is nothing to prune.")
        return
    what = (
        f"{many(sum(found.episodes.values()), kind)} of"
        f" {many(len(found.episodes), 'run')}, from journals of {amount(found.size)}"
    )
    if not yes:
        if not on_terminal():
            raise MisuseError(
                f"{what}, would be dropped, and there is no terminal to ask on; say --yes to drop"
                " them"
            )
        click.confirm(f"Drop {what}?", abort=True, err=True)
    report = prune(paths, found)
    dropped = sum(found.episodes[run_id] for run_id in report.runs)
    tell(
        f"Dropped {many(dropped, kind)} of {many(len(report.runs), 'run')}:"
        f" {amount(report.journals)} of journals, {amount(report.database)} of {database}."
    )
    fail_if(report.troubles)
