"""``mlbench table``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.output import Form, form_options
from mlbench.cli.parameters import database_option
from mlbench.stats.names import STATISTICS, Statistic


@click.command("table")
@click.option(
    "--statistic",
    type=click.Choice(STATISTICS),
    help="Over runs: the median or mean of their means over test episodes, or what the authors'"
    " code prints as the median.  [default: that of each run's protocol]",
)
@form_options
@database_option
def command(statistic: Statistic | None, form: Form, database: Path) -> None:
    r"""Print one number over runs and its 95 % interval for every technique and data set.

    That number is the median under the corrected protocol. Runs that diverged count with what
    they were tested with, and are told of.

    Runs are pooled if they differ in nothing but their seed; those of another protocol, budget,
    precision or number of queries get a table of their own, those of other hyperparameters or
    data a row of their own. Of a seed that was run again the last run counts.

    \b
    Examples:
      mlbench table
      mlbench table --statistic trimmed
      mlbench table --csv > medians.csv
    """
    from mlbench.report.frames import frame_csv, frame_json
    from mlbench.report.tables import left_out, summary_tables
    from mlbench.stats.summary import latest, summarise
    from mlbench.store.ingest import refresh
    from mlbench.store.paths import StorePaths
    from mlbench.store.queries import hyperparameters, list_runs, results

    paths = StorePaths(database)
    report = refresh(paths)
    for trouble in (*report.damaged, *filter(None, [report.waiting])):
        click.echo(f"Note: the table may lack what was recorded last: {trouble}", err=True)
    concluded = results(paths)
    summary = summarise(concluded, hyperparameters(paths), statistic)
    rest = left_out(list_runs(paths), concluded, latest(concluded))
    if form != "text":
        click.echo((frame_csv if form == "csv" else frame_json)(summary).rstrip("\n"))
    elif len(summary):
        click.echo(summary_tables(summary))
    if summary.is_empty():
        click.echo(
            f"{database} has no finished run; make one: mlbench run maml --train sine"
            f" --budget smoke{paths.option}",
            err=True,
        )
    if rest:
        click.echo(f"\n{rest}" if form == "text" and len(summary) else rest, err=form != "text")
