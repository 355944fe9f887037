"""``mlbench sql``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlbench.cli.output import Form, form_options, print_data
from mlbench.cli.parameters import database_option
from mlbench.errors import MisuseError

SCHEMA = """
    SELECT table_name AS "table", column_name AS "column", data_type AS "type"
    FROM information_schema.columns ORDER BY table_name, ordinal_position
"""


@click.command("sql")
@click.argument("query", required=False)
@click.option("--schema", is_flag=True, help="Print the tables, the views and their columns.")
@form_options
@database_option
def command(query: str | None, schema: bool, form: Form, database: Path) -> None:
    r"""Answer a QUERY over everything recorded; '-' reads it from standard input.

    It reads only. The tables and views are described in docs/schema.md.

    \b
    Examples:
      mlbench sql "select run_id, status from runs"
      mlbench sql "select algorithm, avg(score) from results group by all" --csv
      mlbench sql - < query.sql
    """
    if (query is None) != schema:
        raise MisuseError(
            "give one query, or --schema; for example mlbench sql 'select * from runs'"
        )
    text = SCHEMA if query is None else sys.stdin.read() if query == "-" else query
    from mlbench.cli.waiting import up_to_date
    from mlbench.report.frames import frame_csv, frame_json, frame_text
    from mlbench.store.paths import StorePaths
    from mlbench.store.user_sql import sql

    paths = StorePaths(database)
    with up_to_date(paths, "the answer"):
        frame = sql(paths, text)
    write = {"text": frame_text, "csv": frame_csv, "json": frame_json}[form]
    answer = write(frame).rstrip("\n")
    if form == "csv":
        print_data(f"{answer}\n")
    else:
        click.echo(answer)
