"""``mlbench table``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from mlbench.cli.output import print_data
from mlbench.cli.parameters import database_option
from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.stats.names import STATISTICS, Statistic

if TYPE_CHECKING:
    from mlbench.report.material import Material

TableForm = Literal["text", "markdown", "latex", "csv", "json"]
FORMS: tuple[TableForm, ...] = get_args(TableForm)
SUFFIXES: dict[str, TableForm] = {
    ".txt": "text",
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
}
"""The form of a file, by its suffix."""


@click.command("table")
@click.option(
    "--paper", is_flag=True, help="Put what the paper prints, and the difference, beside each cell."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Of the tables; csv and json have a row for what is pooled.  [default: that of -o, or"
    " text]",
)
@click.option("--csv", "as_csv", is_flag=True, help="The same as --format csv.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--statistic",
    type=click.Choice(STATISTICS),
    help="Over runs: the median, mean or interquartile mean of their means over test episodes,"
    " the mean over runs and episodes at two levels, or what the authors' code prints as the"
    " median.  [default: that of each run's protocol]",
)
@click.option(
    "--where", metavar="SQL", help="Only runs of which this holds, over the columns of 'runs'."
)
@click.option("--long", is_flag=True, help="As text with a row for what is pooled.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead; .txt, .md, .tex, .csv or .json says in which form.",
)
@database_option
def command(
    paper: bool,
    form: TableForm | None,
    as_csv: bool,
    as_json: bool,
    statistic: Statistic | None,
    where: str | None,
    long: bool,
    output: Path | None,
    database: Path,
) -> None:
    r"""Print the paper's tables of what was run: techniques by data sets and shots.

    Each cell is one number over runs with its 95 % interval; that number is the median under the
    corrected protocol. The best of a column is marked, and so is what ties with it: what has an
    interval that overlaps. Runs that diverged count with what they were tested with, and are
    told of.

    Runs are pooled if they differ in nothing but their seed; those of another protocol, budget,
    precision or number of queries get a table of their own, those of other hyperparameters a row
    and those of other data a column of their own. Of a seed that was run again the last run
    counts.

    \b
    Examples:
      mlbench table
      mlbench table --paper --where "budget = 'paper'"
      mlbench table -o table.tex
      mlbench table --statistic trimmed --csv > results.csv
    """
    chosen = chosen_form([form, "csv" if as_csv else None, "json" if as_json else None], output)
    if long and chosen in {"markdown", "latex"}:
        raise MisuseError(f"--long is a form of text; leave it out, or take csv for {chosen}")
    from mlbench.cli.waiting import up_to_date
    from mlbench.report.file import write
    from mlbench.report.material import Material
    from mlbench.report.tables.words import left_out
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    material = Material(paths, where=where, statistic=statistic)
    bold = output is None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    with up_to_date(paths, "the table"):
        rest = left_out(material.runs, material.results, material.counted)
        if material.summary.is_empty() and chosen not in {"csv", "json"}:
            raise NothingToDrawError(" ".join(filter(None, [rest, nothing(material)])))
        content = rendered(material, chosen, paper=paper, long=long, bold=bold)
    if rest and chosen == "text":
        content, rest = f"{content}\n\n{rest}", ""
    if output:
        write(output, f"{content}\n")
        click.echo(f"Wrote {output}.", err=True)
    elif chosen == "csv":
        print_data(f"{content}\n")
    else:
        click.echo(content)
    if material.summary.is_empty():
        click.echo(nothing(material), err=True)
    if rest:
        click.echo(rest, err=True)


def chosen_form(asked: list[TableForm | None], output: Path | None) -> TableForm:
    """Return the form that options and the name of the file agree on.

    Raises:
        MisuseError: They do not, or the name says nothing and nothing else does.
    """
    forms = {form for form in asked if form is not None}
    suffix = None if output is None else output.suffix.lower()
    if suffix in SUFFIXES:
        forms.add(SUFFIXES[suffix])
    elif output is not None and not forms:
        raise MisuseError(
            f"the name of {output} does not say what form it should have; end it in"
            f" {', '.join(SUFFIXES)}, or give --format"
        )
    if len(forms) > 1:
        file = f", and {output} is named for one of them" if suffix in SUFFIXES else ""
        raise MisuseError(f"{' and '.join(sorted(forms))} were both asked for{file}; choose one")
    return forms.pop() if forms else "text"


def rendered(material: Material, form: TableForm, *, paper: bool, long: bool, bold: bool) -> str:
    """Return the tables in one form, without a last line break; empty if there are none."""
    from mlbench.report.frames import frame_csv, frame_json
    from mlbench.report.tables.latex import latex
    from mlbench.report.tables.long import long_text
    from mlbench.report.tables.markdown import markdown
    from mlbench.report.tables.shape import tables
    from mlbench.report.tables.text import text
    from mlbench.report.tables.tidy import with_printed

    if long or form in {"csv", "json"}:
        summary = with_printed(material.summary) if paper else material.summary
        write = {"csv": frame_csv, "json": frame_json}.get(form, long_text)
        if paper and len(summary) and summary["printed"].is_null().all():
            tell_of_nothing_printed()
        return write(summary).rstrip("\n")
    shaped = tables(material, paper=paper)
    if paper and shaped and not any(table.compared for table in shaped):
        tell_of_nothing_printed()
    if form == "latex":
        return latex(shaped) if shaped else ""
    if form == "markdown":
        return markdown(shaped)
    return text(shaped, width=shutil.get_terminal_size().columns, bold=bold)


def tell_of_nothing_printed() -> None:
    """Say that there was nothing to put beside."""
    click.echo("Note: the paper prints nothing for what these runs were tested on.", err=True)


def nothing(material: Material) -> str:
    """Return what to type where there is nothing to show."""
    paths = material.paths
    if material.where is not None:
        return (
            f"{paths.database} has no finished run where {material.where}; see what there is:"
            f" mlbench list runs{paths.option}"
        )
    return (
        f"{paths.database} has no finished run; make one: mlbench run maml --train sine"
        f" --budget smoke{paths.option}"
    )
