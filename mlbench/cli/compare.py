"""``mlbench compare``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from mlbench.cli.output import print_data
from mlbench.cli.parameters import database_option
from mlbench.errors import MisuseError, NothingToDrawError


@click.command("compare")
@click.argument("techniques", nargs=-1, metavar="[TECHNIQUE]...")
@click.option(
    "--baseline", metavar="TECHNIQUE", help="Compare the others with this one, and with no other."
)
@click.option(
    "--where", metavar="SQL", help="Only runs of which this holds, over the columns of 'runs'."
)
@click.option("--times", is_flag=True, help="Compare running times instead of scores.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a row per pair.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, likewise.")
@database_option
def command(
    techniques: tuple[str, ...],
    baseline: str | None,
    where: str | None,
    times: bool,
    as_csv: bool,
    as_json: bool,
    database: Path,
) -> None:
    r"""Compare techniques in pairs, on the very same test episodes.

    Every run meets the same test episodes, so that a difference is known far better than either
    score. Runs of the same seeds are compared; those of another protocol, budget, precision or
    data never are. Without TECHNIQUE, all are compared that were run.

    With --times, wall times are divided by each other: of runs of one seed that did the same work
    on the same kind of machine, the nearest in time. A sweep on one machine takes turns.

    \b
    Examples:
      mlbench compare
      mlbench compare turtle fo_turtle maml --where "budget = 'paper'"
      mlbench compare --baseline maml --csv > pairs.csv
      mlbench compare turtle maml --times
    """
    if as_csv and as_json:
        raise MisuseError("csv and json were both asked for; choose one")
    from mlbench.cli.waiting import up_to_date
    from mlbench.report.compared import ordered, pairs_text
    from mlbench.report.compared_times import time_pairs, times_text
    from mlbench.report.frames import frame_csv, frame_json
    from mlbench.report.material import Material
    from mlbench.stats.paired import comparisons
    from mlbench.stats.times import unequal_stacks
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    with up_to_date(paths, "the comparisons"):
        material = Material(paths, where=where)
        counted = material.counted
        wanted = {*techniques, *filter(None, [baseline])} if techniques else set()
        if unknown := sorted(wanted - {*counted["algorithm"]}):
            there = ", ".join(counted["algorithm"].unique().sort()) or "none at all"
            raise MisuseError(
                f"there are no results of {', '.join(unknown)} to compare; techniques that have"
                f" some: {there}"
            )
        if wanted:
            counted = counted.filter(counted["algorithm"].is_in(sorted(wanted)))
        if times:
            pairs = time_pairs(material, wanted or None, baseline)
        else:
            found = comparisons(
                counted, material.test_episodes, material.hyperparameters, baseline=baseline
            )
            pairs = ordered(found, fixed=baseline is not None)
        if pairs.is_empty() and not (as_csv or as_json):
            alike = "ran with one seed on one machine" if times else "were tested alike"
            raise NothingToDrawError(
                f"{database} has no two techniques that {alike}; make one more: mlbench"
                f" run turtle --train sine --budget smoke{paths.option}"
            )
    if as_csv:
        print_data(frame_csv(pairs))
    elif as_json:
        click.echo(frame_json(pairs))
    else:
        width = shutil.get_terminal_size().columns
        text = (
            times_text(pairs, unequal=unequal_stacks(material.times), width=width)
            if times
            else pairs_text(pairs, width=width)
        )
        click.echo(text)
