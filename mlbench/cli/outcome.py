"""How ``run`` and ``resume`` print what a run found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlbench.cli.output import print_rows
from mlbench.printable import printable
from mlbench.store.paths import StorePaths

if TYPE_CHECKING:
    from mlbench.session.launch import Launched
    from mlbench.session.outcome import Outcome, Result


def report(launched: Launched, database: Path, *, as_json: bool) -> None:
    """Print the results of a run on stdout, and on stderr what to type next."""
    outcome, spec = launched.outcome, launched.spec
    if outcome is None:
        return
    if as_json:
        values = {"run_id": launched.run_id, "spec_hash": spec.hash, "spec": spec.record()}
        click.echo(json.dumps({**values, **outcome.values()}, allow_nan=False))
        return
    if outcome.results:
        print_results(launched.run_id, outcome, spec.kind)
    if outcome.diverged:
        click.echo(printable(f"{launched.run_id} diverged: {outcome.diverged}"))
    if outcome.note:
        click.echo(printable(f"{launched.run_id}: {outcome.note}"))
    if not outcome.results:
        click.echo("No validation had a finite mean score, so there was nothing to test.")
    phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in outcome.totals().items())
    click.echo(f"Time: {phases}")
    for result in outcome.results:
        if result.incomplete:
            told = "not comparable with published numbers, since data are incomplete"
            click.echo(printable(f"{result.eval_dataset}: {told} ({result.incomplete})"))
        if result.nan_episodes:
            click.echo(printable(f"{result.eval_dataset}: {result.nan_episodes} episodes are NaN"))
    click.echo(f"Next: mlbench table{StorePaths(database).option}", err=True)


def print_results(run_id: str, outcome: Outcome, kind: str) -> None:
    """Print a row per data set that was tested on."""
    heading = "accuracy" if kind == "classification" else "MSE"
    rows = [
        {
            "tested on": result.eval_dataset,
            heading: score_text(result, kind),
            "episodes": result.episodes,
            "seconds": f"{outcome.seconds('test', result.eval_dataset):.1f}",
        }
        for result in outcome.results
    ]
    click.echo(f"{printable(run_id)}: mean over test episodes ± 95 % interval")
    print_rows(rows, tuple(rows[0]))


def score_text(result: Result, kind: str) -> str:
    """Return a score with its interval, accuracies in per cent."""
    scale, digits, unit = (100, 1, " %") if kind == "classification" else (1, 3, "")
    text = f"{scale * result.score:.{digits}f}"
    if result.half_width is not None:
        text += f" ± {scale * result.half_width:.{digits}f}"
    return text + unit
