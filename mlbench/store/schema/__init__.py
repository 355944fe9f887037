"""The tables and views, as numbered SQL files that are applied in order, and once.

A change of the tables is another file, ``NNNN_what.sql``; the views are made anew after each, so
a change of the views alone is a file that holds a comment only.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import duckdb

from mlbench.errors import StoreError

FOLDER = files(__name__)
MIGRATIONS = {
    int(file.name[:4]): file
    for file in sorted(FOLDER.iterdir(), key=lambda file: file.name)
    if file.name[:4].isdigit()
}
LATEST = max(MIGRATIONS)
VERSION = "SELECT coalesce(max(version), 0) FROM schema_version"
TABLES = "SELECT count(*) FILTER (table_name = 'schema_version'), count(*) FROM duckdb_tables()"


def version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the schema of a database: 0 if it is empty, ``None`` if it is not mlbench's."""
    ours, tables = connection.execute(TABLES).fetchall()[0]
    if not ours:
        return None if tables else 0
    return int(connection.execute(VERSION).fetchall()[0][0])


def check(found: int | None, database: Path) -> int:
    """Return the schema of a usable database; refuse any other.

    Raises:
        StoreError: It is newer, or not mlbench's.
    """
    if found is None:
        raise StoreError(
            f"{database} is a DuckDB database, but not one of mlbench's; name another with --db"
        )
    if found > LATEST:
        raise StoreError(
            f"{database} has schema {found}, but this mlbench knows {LATEST} and older; upgrade"
            " with 'pip install -U mlbench', or name another with --db"
        )
    return found


def migrate(connection: duckdb.DuckDBPyConnection, until: int | None = None) -> None:
    """Apply what is missing, or that up to a version, each migration in its own transaction."""
    found = version(connection) or 0
    for number in range(found + 1, (until or LATEST) + 1):
        connection.begin()
        try:
            connection.execute(MIGRATIONS[number].read_text())
            connection.execute(
                "INSERT INTO schema_version VALUES (?, now() AT TIME ZONE 'UTC')", [number]
            )
            if number == LATEST:
                connection.execute((FOLDER / "views.sql").read_text())
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
