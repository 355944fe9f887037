"""``mlbench doctor``."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from mlbench.cli.parameters import database_option
from mlbench.printable import printable

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_option
def command(as_json: bool, database: Path) -> None:
    r"""Show what this machine has, what is missing, and what to do about it.

    Exits with 1 if anything is broken; what is merely absent does not count.

    \b
    Examples:
      mlbench doctor
      mlbench doctor --json
    """
    from mlbench.doctor import check_up

    findings = []
    for finding in check_up(database):
        findings.append(finding)
        if not as_json:
            mark = click.style(f"{finding.mark:<4}", fg=COLOURS[finding.mark])
            click.echo(f"{mark}  {finding.topic:<20}  {printable(finding.found)}")
            if finding.remedy:
                click.echo(f"{'':<28}-> {printable(finding.remedy)}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(f) for f in findings], indent=2))
    if any(finding.mark == "fail" for finding in findings):
        sys.exit(1)
