"""``mlbench plot``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.parameters import database_option
from mlbench.report.figures import FIGURES, Figure, Measure, Options
from mlbench.stats.names import STATISTICS, Statistic

MEASURES: tuple[Measure, ...] = ("test", "validation", "seconds")
WIDEST = max(map(len, FIGURES))
LISTED = "\n".join(f"{each.name:<{WIDEST}}  {each.summary}" for each in FIGURES.values())


def print_list(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print the figures, a line each, and stop."""
    if value and not ctx.resilient_parsing:
        click.echo(LISTED)
        ctx.exit()


@click.command("plot", epilog="\b\nFigures:\n" + LISTED)
@click.argument("figure", type=click.Choice(list(FIGURES)), metavar="FIGURE")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to: .html, .svg, .png, .pdf or .json; may be given again.  [default: FIGURE.html]",
)
@click.option(
    "--where", metavar="SQL", help="Draw the runs of which this holds: a condition on view runs."
)
@click.option(
    "--statistic",
    type=click.Choice(STATISTICS),
    help="Over runs.  [default: that of each run's protocol]",
)
@click.option("--baseline", metavar="TECHNIQUE", help="paired: compare the others with this one.")
@click.option(
    "--over",
    metavar="NAME",
    help="scaling: T (updates per task), shots, ways, or any hyperparameter by name.  [default: the"
    " first of T, shots and ways that varies]",
)
@click.option(
    "--measure",
    type=click.Choice(MEASURES),
    help="figure-3.2: validation (the default) or test; scaling: test (the default) or seconds.",
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=print_list,
    help="List the figures.",
)  # fmt: skip
@database_option
def command(
    figure: str,
    outputs: tuple[Path, ...],
    where: str | None,
    statistic: Statistic | None,
    baseline: str | None,
    over: str | None,
    measure: Measure | None,
    database: Path,
) -> None:
    r"""Draw FIGURE from the database.

    Runs are pooled as in mlbench table; those of another protocol, budget, precision or number of
    queries are drawn apart. HTML holds all that it needs, and opens without a network; what the
    pointer rests on tells its numbers. JSON is Vega-Lite.

    \b
    Examples:
      mlbench plot learning-curves --where "train_dataset = 'mini'"
      mlbench plot figure-3.4 -o time.pdf -o time.png
      mlbench plot paired --baseline maml -o paired.svg
      mlbench plot scaling --over shots
    """
    options = Options(baseline=baseline, over=over, measure=measure)
    check_options(FIGURES[figure], options, statistic)

    from mlbench.cli.waiting import up_to_date
    from mlbench.report.material import Material
    from mlbench.report.save import form_of, save
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    targets = outputs or (Path(f"{figure}.html"),)
    for target in targets:
        form_of(target)
    with up_to_date(paths, "the figure"):
        chart = FIGURES[figure].draw(Material(paths, where=where, statistic=statistic), options)
        for target in targets:
            save(chart, target)
            click.echo(f"Wrote {target}", err=True)


def check_options(figure: Figure, options: Options, statistic: Statistic | None) -> None:
    """Refuse an option that a figure does not heed.

    Raises:
        UsageError: It was given one.
    """
    given = {"statistic": statistic, **vars(options)}
    for name, value in given.items():
        if value is not None and name not in figure.takes:
            others = ", ".join(each.name for each in FIGURES.values() if name in each.takes)
            raise click.UsageError(f"{figure.name} takes no --{name}; what does: {others}.")
    if options.measure and options.measure not in figure.measures:
        raise click.UsageError(
            f"{figure.name} has no measure {options.measure}; it has {', '.join(figure.measures)}."
        )
