"""``mlbench sweep``."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.execution import ExecutionOptions, execution_options
from mlbench.cli.output import print_rows
from mlbench.cli.parameters import Amount, Duration, database_option
from mlbench.cli.sweep_progress import view
from mlbench.cli.told import many
from mlbench.errors import MisuseError
from mlbench.printable import printable
from mlbench.store.paths import StorePaths

if TYPE_CHECKING:
    from mlbench.sweep.overview import Overview
    from mlbench.sweep.tally import Tally
    from mlbench.sweep.work import Work

MOST_FAILURES = 20  # told one by one


@click.command()
@click.argument("grid", required=False, metavar="[FILE.toml|NAME]")
@click.option("--list", "list_grids", is_flag=True, help="List the bundled sweeps.")
@click.option(
    "--dry-run", is_flag=True, help="Only tell the runs, what is done, and how long the rest takes."
)
@click.option("--status", is_flag=True, help="Only tell how the runs stand, queued ones too.")
@click.option("--where", metavar="SQL", help="Only runs of which this holds: 'shots = 1'.")
@click.option("--retry-failed", is_flag=True, help="Go on with runs that failed before, too.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes at a time.  [default: as many as cores for their threads, or as GPUs]",
)
@click.option("--gpus", metavar="LIST", help="Deal these out, one a process: 0,1.")
@click.option("--alone", is_flag=True, help="A process a run, even where seeds are one program.")
@click.option("--time-limit", type=Duration(), help="Of one process: 4h, 1h30m.")
@click.option("--memory-limit", type=Amount(), help="Of one process: 8G.")
@click.option(
    "--hang-limit",
    type=Duration(),
    default="30m",
    show_default=True,
    help="How long a process may make no progress.",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "slurm"]),
    default="local",
    show_default=True,
    help="This machine, or a cluster.",
)
@click.option(
    "--slurm",
    "slurm_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of sbatch, such as time=04:00:00; repeatable.",
)
@execution_options
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per run.")
def command(
    grid: str | None,
    list_grids: bool,
    dry_run: bool,
    status: bool,
    where: str | None,
    retry_failed: bool,
    jobs: int | None,
    gpus: str | None,
    alone: bool,
    time_limit: float | None,
    memory_limit: int | None,
    hang_limit: float,
    executor: str,
    slurm_options: tuple[str, ...],
    execution: ExecutionOptions,
    database: Path,
    as_json: bool,
) -> None:
    r"""Run a grid of experiments: a TOML file of yours, or a bundled one by NAME.

    Runs that have their result are skipped and interrupted ones go on, so the same command
    continues a sweep that was stopped. Seeds that gain by it are computed as one program. Every
    process has one thread unless --threads says otherwise; one that fails, hangs or takes too much
    leaves the others alone, and is told of at the end.

    \b
    Examples:
      mlbench sweep quick-tour
      mlbench sweep figure-3.3 --dry-run
      mlbench sweep table-3.1 --where 'shots = 1 and seed < 2' --gpus 0,1
      mlbench sweep mine.toml --executor slurm --slurm partition=gpu --slurm time=04:00:00
      mlbench sweep mine.toml --status
    """
    if list_grids:
        list_bundled()
        return
    if grid is None:
        raise click.UsageError("Name a sweep or a file in TOML; --list shows the bundled sweeps.")
    check_executor(executor, slurm_options, here=bool(gpus or time_limit or memory_limit))
    from mlbench.cli.progress import tell
    from mlbench.cli.waiting import up_to_date
    from mlbench.sweep.bundled import load_grid
    from mlbench.sweep.limits import Limits
    from mlbench.sweep.overview import Overview
    from mlbench.sweep.places import Places, places_of
    from mlbench.sweep.planning import narrowed, sweep_runs
    from mlbench.sweep.pool import Pool
    from mlbench.sweep.slurm_options import cores_of, options_of
    from mlbench.sweep.work import Work

    paths = StorePaths(database)
    asked = options_of(slurm_options)
    if executor == "slurm":
        places = Places((), execution.threads or cores_of(asked), gpu=None)
    else:
        places = places_of(execution.device, jobs, gpus, execution.threads)
    execution = replace(execution, threads=places.threads)
    described = load_grid(grid)
    runs = sweep_runs(described)
    runs = narrowed(runs, where) if where is not None else runs
    if not runs:
        raise MisuseError(
            f"--where {where!r} holds for no run of {grid}; 'mlbench sweep {grid} --dry-run' lists"
            " them"
        )
    with up_to_date(paths, "what is told here"):
        overview = Overview.of(runs, paths)
    work = Work(
        overview,
        paths,
        execution.arguments,
        execution.engine,
        retry_failed=retry_failed,
        alone=alone,
    )
    if status or dry_run:
        show(overview, as_json=as_json)
        for reason, count in overview.refusals().items():
            tell(f"{many(count, 'run')} cannot begin: {reason}")
        if dry_run:
            tell(work.estimate(len(places.variables) or jobs, gpu=places.gpu))
        return
    if executor == "slurm":
        submit(work, described.name, asked, jobs)
        return
    limits = Limits(seconds=time_limit, memory=memory_limit, silence=hang_limit)
    tally = work.tally()
    tell(work.estimate(len(places.variables), gpu=places.gpu))
    pool = Pool(paths, work.jobs, places.variables, limits, tally, view(len(runs)), tell)
    code = pool.run()
    with up_to_date(paths, "what is told here"):
        overview = Overview.of(runs, paths)
    show(overview, as_json=as_json)
    conclude(tally, len(runs), f"mlbench sweep {shlex.quote(grid)}", paths, stopped=bool(code))
    if code or tally.failures or tally.stopped:
        raise SystemExit(code or 1)


def check_executor(executor: str, slurm_options: tuple[str, ...], *, here: bool) -> None:
    """Refuse options of Slurm for this machine, and the reverse; ``here`` says that some are."""
    if slurm_options and executor != "slurm":
        raise click.UsageError("--slurm is for --executor slurm; add that, or leave it out")
    if executor == "slurm" and here:
        raise click.UsageError(
            "--gpus, --time-limit and --memory-limit are for this machine; of Slurm's, ask for"
            " --slurm gres=gpu:1, time=04:00:00 or mem=8G"
        )


def list_bundled() -> None:
    """Print the bundled sweeps."""
    from mlbench.sweep.bundled import bundled_names, load_grid

    grids = [load_grid(name) for name in bundled_names()]
    rows = [
        {"name": g.name, "runs": sum(len(cell.seeds) for cell in g.cells), "title": g.title}
        for g in grids
    ]
    print_rows(rows, ("name", "runs", "title"))


def show(overview: Overview, *, as_json: bool) -> None:
    """Print how the runs stand: a row for those that differ in nothing but their seed."""
    from mlbench.sweep.overview import STANDINGS

    if as_json:
        for row in overview.each():
            click.echo(json.dumps(row))
        return
    rows = overview.rows()
    shown = [name for name in STANDINGS if any(row[name] for row in rows)]
    print_rows(
        [row | {name: row[name] or "" for name in shown} for row in rows],
        ("runs", "seeds", *shown),
    )
    if overview.trouble:
        click.echo(f"Note: {overview.trouble}", err=True)


def submit(work: Work, name: str, options: dict[str, Any], parallel: int | None) -> None:
    """Hand the jobs to Slurm, and tell what became of them."""
    from mlbench.sweep.slurm import submit as submit_jobs

    if not work.jobs:
        click.echo("Nothing is left to submit.", err=True)
        return
    submitted = submit_jobs(work.jobs, work.paths, name, options, parallel=parallel)
    for array in submitted.arrays:
        click.echo(f"submitted {array.number}: {many(len(array.tasks), 'job')}", err=True)
    if submitted.in_flight:
        click.echo(f"queued or running already: {many(len(submitted.in_flight), 'job')}", err=True)


def conclude(tally: Tally, total: int, command: str, paths: StorePaths, *, stopped: bool) -> None:
    """Tell how a sweep ended, and of each failure why and how to try it again."""
    command += paths.option
    click.echo(f"{tally.done} of {total} runs have their result.", err=True)
    if stopped:
        click.echo(f"Stopped; everything is saved. Go on with: {command}", err=True)
    elif tally.stopped:
        click.echo(f"{tally.stopped} were stopped from outside; {command} goes on", err=True)
    if tally.failures:
        click.echo(f"{len(tally.failures)} failed:", err=True)
    for failure in tally.failures[:MOST_FAILURES]:
        name = f"{failure.run_id} ({failure.label})" if failure.run_id else failure.label
        click.echo(printable(f"  {name}: {failure.reason}"), err=True)
        if failure.log is not None:
            click.echo(f"    see: {failure.log}", err=True)
        if failure.retry is not None:
            click.echo(f"    try again: {failure.retry}", err=True)
    if len(tally.failures) > MOST_FAILURES:
        click.echo(
            f"  and {len(tally.failures) - MOST_FAILURES} more: {command} --status", err=True
        )
    if any(failure.retry for failure in tally.failures):
        click.echo(f"All of them again: {command} --retry-failed", err=True)
    elif tally.done and not tally.failures:
        click.echo(f"Next: mlbench table{paths.option}", err=True)
