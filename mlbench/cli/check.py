"""``mlbench check``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlbench.cli.describe import AnyPluginName, kinds_of
from mlbench.plugins import Kind
from mlbench.registry import KINDS, NOUNS, Plugin, find_plugin

if TYPE_CHECKING:
    from mlbench.check.finding import Finding, Verdict

COLOURS: dict[Verdict, str] = {"passed": "green", "failed": "red", "skipped": "yellow"}
INDENT = " " * 27


@click.command
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=AnyPluginName())
@click.option("--kind", type=click.Choice(KINDS), help="Where both have a NAME: which one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(names: tuple[str, ...], kind: Kind | None, as_json: bool) -> None:
    r"""Check that plugins keep the contract, on problems that take seconds.

    A technique is checked to learn something, to be deterministic and resumable bit for bit, to
    respect its order, to have the gradient of its loss, to peek at nothing; a data set, to give
    the same episodes again, without overlaps. Exits with 1 if any check failed.

    \b
    Examples:
      mlbench check mine
      mlbench check turtle shapes --json
    """
    wanted = (kind,) if kind else KINDS
    plugins = [find_plugin(each, name) for name in names for each in kinds_of(name, wanted)]
    from mlbench.check.suite import examine

    findings: list[Finding] = []
    for plugin in plugins:
        if not as_json:
            click.echo(("\n" if findings else "") + heading(plugin))
        for finding in examine(plugin):
            findings.append(finding)
            if not as_json:
                show(finding)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        counts = Counter(each.verdict for each in findings)
        click.echo("\n" + ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS))
    if any(each.verdict == "failed" for each in findings):
        sys.exit(1)


def heading(plugin: Plugin) -> str:
    """Return a plugin's name, kind and file."""
    return f"{plugin.name} ({NOUNS[plugin.kind]}, {plugin.places[0]})"


def show(finding: Finding) -> None:
    """Print a finding: what was found, or else why not, and what to do."""
    mark = click.style(f"{finding.verdict:<7}", fg=COLOURS[finding.verdict])
    click.echo(f"  {mark}  {finding.check:<16} {finding.reason or finding.promise}")
    if finding.remedy:
        click.echo(f"{INDENT} -> {finding.remedy}")
