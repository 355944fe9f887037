"""SQL that a user writes: a query, or a condition that chooses runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from mlbench.errors import MisuseError
from mlbench.store.connection import demand, read
from mlbench.store.ingest import reading, refresh
from mlbench.store.paths import StorePaths

if TYPE_CHECKING:
    import polars as pl

CHOOSE = "SELECT run_id FROM (FROM runs WHERE ({condition}\n)) ORDER BY run_id"


def sql(paths: StorePaths, text: str) -> pl.DataFrame:
    """Return what a query gives; it can read the database and nothing else.

    Raises:
        MisuseError: It is no single query, or DuckDB cannot answer it.
        StoreError: There is no database.
    """
    import polars as pl

    refresh(paths)
    demand(paths)
    with read(paths) as connection:
        try:
            check_reads_only(connection, text)
            frame: pl.DataFrame = connection.execute(text).pl()
        except duckdb.Error as err:
            raise MisuseError(
                f"{one_line(err)}; 'mlbench sql --schema' lists tables and columns"
            ) from err
        except pl.exceptions.PolarsError as err:
            raise MisuseError(
                f"a column of the answer cannot be shown ({one_line(err)}); cast it to text, as in"
                " column::VARCHAR"
            ) from err
    return frame


def choose_runs(paths: StorePaths, condition: str) -> list[str]:
    """Return the runs of which a condition in SQL holds, such as ``budget = 'paper'``.

    Args:
        paths: The store.
        condition: Over the columns of the view ``runs``; it can read the database, nothing else.

    Raises:
        MisuseError: It is no condition.
    """
    with reading(paths) as connection:
        text = CHOOSE.format(condition=condition)
        try:
            for whole in (f"SELECT {condition}", text):  # by itself too: it closes no parenthesis
                check_reads_only(connection, whole)
            return [run_id for (run_id,) in connection.execute(text).fetchall()]
        except (duckdb.Error, MisuseError) as err:
            raise MisuseError(
                f"{condition!r} is no condition on runs ({one_line(err)}); write one in SQL, as in"
                " --where \"budget = 'paper' and shots = 5\"; 'mlbench sql --schema' lists the"
                " columns of runs"
            ) from err


def nothing_chosen(paths: StorePaths, condition: str) -> str:
    """Return what to tell whoever chose runs by a condition that holds of none."""
    return (
        f"no run in {paths.database} is one of which {condition!r} holds; widen --where, or see"
        f" what there is: mlbench sql 'from runs'{paths.option}"
    )


def check_reads_only(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse anything but one SELECT: ``COPY`` may write DuckDB's own files even when locked in.

    Raises:
        MisuseError: It is something else.
    """
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise MisuseError(f"there are {len(statements)} statements; give one query")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise MisuseError(f"{kind} is no query; 'mlbench sql' reads only, so begin with SELECT")


def one_line(err: Exception) -> str:
    """Return an error's message without DuckDB's drawing of the place."""
    text = str(err).split("\n\nLINE ", maxsplit=1)[0]
    return " ".join(text.split())
