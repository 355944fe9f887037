"""``mlbench rebuild``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.parameters import database_option


@click.command("rebuild")
@database_option
def command(database: Path) -> None:
    r"""Make the database anew from the journals, which have everything.

    The old one stays until the other is complete. What only the old one has goes into journals
    first; if it cannot be opened, or has more than the journals, it is kept under another name.

    Exits with 1 if a journal is damaged.

    \b
    Examples:
      mlbench rebuild
      mlbench rebuild --db results.duckdb
    """
    from mlbench.cli.told import fail_if, many, tell
    from mlbench.store.paths import StorePaths
    from mlbench.store.upkeep.rebuilding import rebuild

    paths = StorePaths(database)
    report = rebuild(paths)
    if report.rescued:
        runs = dict.fromkeys(run_id for run_id, _ in report.rescued)
        tell(f"Wrote journals of {many(len(runs), 'run')} that only the database had.")
    tell(
        f"{database} is made anew: {many(report.runs, 'run')}, {many(report.episodes, 'episode')}."
    )
    if report.kept is not None:
        tell(
            f"The old one is kept as {report.kept}: {report.reason}. If it opens, 'mlbench merge"
            f" {report.kept}{paths.option}' takes what is missing from it."
        )
    fail_if(report.damaged)
