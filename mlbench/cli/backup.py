"""``mlbench backup``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.parameters import database_option


@click.command("backup")
@click.argument("folder", metavar="DEST", type=click.Path(path_type=Path))
@database_option
def command(folder: Path, database: Path) -> None:
    r"""Copy the database, journals and checkpoints into the folder DEST, while runs go on.

    The copy is as the store was at one moment, and a store itself: --db DEST/runs.duckdb. DEST
    must not exist; it appears when everything is in it.

    \b
    Examples:
      mlbench backup /backup/monday
      mlbench table --db /backup/monday/runs.duckdb
    """
    from mlbench.cli.data.download import amount
    from mlbench.cli.told import many, tell
    from mlbench.store.paths import DATABASE, StorePaths
    from mlbench.store.upkeep.copying import backup

    report = backup(StorePaths(database), folder)
    if report.waiting is not None:
        tell(f"Note: the copied database lacks what its journals have: {report.waiting}")
    tell(
        f"{folder / DATABASE}: {many(report.rows.get('episodes', 0), 'episode')},"
        f" {many(report.journals, 'journal')}, {amount(report.size)}"
    )
