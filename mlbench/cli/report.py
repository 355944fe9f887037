"""``mlbench report``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.parameters import database_option
from mlbench.errors import MisuseError
from mlbench.stats.names import STATISTICS, Statistic


@click.command("report")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write; .html.",
)
@click.option("--where", metavar="SQL", help="Only runs of which this condition on runs holds.")
@click.option(
    "--statistic",
    type=click.Choice(STATISTICS),
    help="Over runs.  [default: that of each run's protocol]",
)
@click.option("--title", default="mlbench report", show_default=True, help="Heading of the page.")
@click.option("--paper", is_flag=True, help="Print the paper's numbers beside.")
@database_option
def command(
    output: Path,
    where: str | None,
    statistic: Statistic | None,
    title: str,
    paper: bool,
    database: Path,
) -> None:
    r"""Write one page with everything: runs, data, tables, figures, comparisons, times, origins.

    The page is one file that needs no network: put it beside a paper, or send it. Behind each
    number is the SQL that lists what it rests on.

    \b
    Examples:
      mlbench report -o report.html
      mlbench report -o mini.html --where "train_dataset = 'mini' and budget = 'paper'" --paper
    """
    if output.suffix.lower() not in {".html", ".htm"}:
        raise MisuseError(f"{output} is no page: a report is HTML, so name it {output.stem}.html")
    from mlbench.cli.waiting import up_to_date
    from mlbench.report.file import write
    from mlbench.report.material import Material
    from mlbench.report.page import page
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    with up_to_date(paths, "the page") as troubles:
        material = Material(paths, where=where, statistic=statistic)
        text = page(material, title=title, paper=paper, troubles=troubles)
        write(output, text)
    runs = len(material.runs)
    size = len(text.encode()) / 1e6
    click.echo(f"{output}: {runs} run{'s' * (runs != 1)}, {size:.1f} MB", err=True)
