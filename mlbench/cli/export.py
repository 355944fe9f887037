"""``mlbench export``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.parameters import database_option


@click.command("export")
@click.option(
    "--parquet",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to make: a Parquet file for each table.",
)
@click.option(
    "--where", metavar="SQL", help="Only runs of which this holds, over the columns of 'runs'."
)
@database_option
def command(folder: Path, where: str | None, database: Path) -> None:
    r"""Write the tables as Parquet files, which any program for data reads.

    docs/schema.md describes them; schema_version says by which version of it. A loss that is the
    score, as in all regression, is null. mlbench merge takes the tables back, here or elsewhere.

    \b
    Examples:
      mlbench export --parquet tables/
      mlbench export --parquet mini/ --where "train_dataset = 'mini' and status = 'finished'"
    """
    from mlbench.cli.told import many, tell
    from mlbench.cli.waiting import up_to_date
    from mlbench.errors import StoreError
    from mlbench.store.connection import demand
    from mlbench.store.paths import StorePaths
    from mlbench.store.upkeep.parquet import export
    from mlbench.store.user_sql import choose_runs, nothing_chosen

    paths = StorePaths(database)
    with up_to_date(paths, "the tables"):
        demand(paths)
        chosen = None
        if where is not None:
            chosen = choose_runs(paths, where)
            if not chosen:
                raise StoreError(nothing_chosen(paths, where))
        rows = export(paths, folder, chosen)
        runs = many(len(chosen), "run") if chosen is not None else "all runs"
        tell(f"{folder}: {many(len(rows), 'table')} of {runs}, {many(rows['episodes'], 'episode')}")
