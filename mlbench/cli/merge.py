"""``mlbench merge``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlbench.cli.parameters import database_option

if TYPE_CHECKING:
    from mlbench.store.upkeep.merging import MergeReport


@click.command("merge")
@click.argument(
    "sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(path_type=Path)
)
@database_option
def command(sources: tuple[Path, ...], database: Path) -> None:
    r"""Take in the runs of each SOURCE: another's database, journals or exported tables.

    SOURCE is a database (with the journals beside it, where there are any), the folder of its
    journals, a backup, or a folder that mlbench export wrote. Nothing is written there. Each run
    is taken once, however often; one that goes on there is taken as far as it is, and the rest by
    the next merge. Where it ran, and on what, stays with it. A run whose name another of ours has
    gets a number after it.

    Exits with 1 if anything could not be taken.

    \b
    Examples:
      mlbench merge colleague.duckdb
      mlbench merge /shared/ann/runs /shared/bob/runs.duckdb
      mlbench merge tables/ --db all.duckdb
    """
    from mlbench.cli.told import fail_if, tell
    from mlbench.errors import MisuseError, MlbenchError
    from mlbench.store.ingest import refresh
    from mlbench.store.paths import StorePaths
    from mlbench.store.upkeep.merging import merge

    paths = StorePaths(database)
    troubles: list[str] = []
    for source in sources:
        try:
            report = merge(paths, source)
        except MisuseError:
            raise
        except MlbenchError as err:
            if len(sources) == 1:
                raise
            troubles.append(str(err))
            continue
        tell(told(report))
        for old, name in report.renamed.items():
            if name in report.fresh:
                tell(f"{old} is called {name} here, because another run has that name.")
        troubles += report.troubles
    taken = refresh(paths)
    if taken.waiting:
        tell(f"What was taken waits in {paths.journals}: {taken.waiting}")
    fail_if(troubles)


def told(report: MergeReport) -> str:
    """Return in one line what was taken."""
    from mlbench.cli.told import many

    parts = [f"{len(report.fresh)} taken in"] if report.fresh else []
    parts += [f"{len(report.grown)} gone on with"] if report.grown else []
    if not parts:
        return f"{report.source}: {many(report.runs, 'run')}, nothing that is not here."
    return (
        f"{report.source}: {many(report.runs, 'run')}, {' and '.join(parts)};"
        f" {many(report.episodes, 'episode')}."
    )
