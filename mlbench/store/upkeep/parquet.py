"""Tables as Parquet files, and a database from them.

In regression the loss is the score, and the two are most of what an episode takes: a loss that
equals the score is null in a file, and the score again in a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mlbench.errors import StoreError
from mlbench.store import connection as database
from mlbench.store import schema
from mlbench.store.ingest import reading
from mlbench.store.paths import StorePaths
from mlbench.store.upkeep.aside import folder_aside, scratch_folder
from mlbench.store.upkeep.databases import Connection

ROWS = 1 << 17  # of a group, which is what is in memory
LEVEL = 9  # of zstd; higher ones save nothing more
ENCODINGS = {  # of columns in which hardly two numbers are equal; the others have dictionaries
    "loss": "BYTE_STREAM_SPLIT",  # of float32, nearly half of each is zeros
    "score": "BYTE_STREAM_SPLIT",
    "episode": "DELTA_BINARY_PACKED",  # the next is one more, most often
    "episode_key": "DELTA_BINARY_PACKED",
    "position": "DELTA_BINARY_PACKED",
}
VERSIONS = "schema_version"
TABLES = """
    SELECT table_name, list(column_name) AS columns
    FROM duckdb_columns() WHERE NOT internal AND table_name IN (
        SELECT table_name FROM duckdb_tables()
    )
    GROUP BY table_name ORDER BY table_name
"""


def export(paths: StorePaths, folder: Path, run_ids: Sequence[str] | None = None) -> dict[str, int]:
    """Write every table as a Parquet file into a folder of its own, and return their rows.

    Args:
        paths: The store.
        folder: Made when all of it is written.
        run_ids: Of these runs alone.

    Raises:
        MisuseError: There is something of that name.
        StoreError: It cannot be written, or the database cannot be read.
    """
    with folder_aside(folder) as aside, reading(paths) as connection:
        return {
            table: write(connection, table, columns, aside / f"{table}.parquet", run_ids)
            for table, columns in connection.execute(TABLES).fetchall()
        }


def write(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    file: Path,
    run_ids: Sequence[str] | None,
) -> int:
    """Write a table, a group of rows at a time; return how many."""
    import pyarrow.parquet as pq

    text = rows_of(f'"{table}"', columns, "nullif(loss, score)")
    parameters = {}
    if run_ids is not None and "run_id" in columns:
        text += " WHERE run_id IN (SELECT unnest($runs))"
        parameters["runs"] = list(run_ids)
    count = 0
    reader = connection.execute(text, parameters).to_arrow_reader(ROWS)
    with pq.ParquetWriter(
        file,
        reader.schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[name for name in columns if name not in ENCODINGS],
        column_encoding={name: ENCODINGS[name] for name in columns if name in ENCODINGS},
    ) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def is_export(folder: Path) -> bool:
    """Return whether a folder holds exported tables."""
    return (folder / f"{VERSIONS}.parquet").is_file()


@contextmanager
def loaded(folder: Path, scratch: Path) -> Iterator[Connection]:
    """Open exported tables as a database, of this schema whatever theirs was.

    Args:
        folder: Where they are.
        scratch: A folder of ours, to put the database into.

    Raises:
        StoreError: They are none that mlbench wrote, or of a newer schema.
    """
    with (
        scratch_folder(scratch) as place,
        database.connect_aside(place / "tables.duckdb", confined=True) as connection,
    ):
        fill(connection, folder)
        yield connection


def fill(connection: Connection, folder: Path) -> None:
    """Load exported tables into an empty database, and bring it up to date.

    Raises:
        StoreError: They are none that mlbench wrote, or of a newer schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = max(pq.read_table(folder / f"{VERSIONS}.parquet")["version"].to_pylist())
        if found > schema.LATEST:
            raise StoreError(
                f"{folder} has schema {found}, but this mlbench knows {schema.LATEST} and older;"
                " upgrade with 'pip install -U mlbench'"
            )
        schema.migrate(connection, found)
        for table, columns in connection.execute(TABLES).fetchall():
            if table != VERSIONS:
                load(connection, table, columns, folder / f"{table}.parquet")
        schema.migrate(connection)
    except (OSError, pa.ArrowException, duckdb.Error, KeyError, TypeError, ValueError) as err:
        reason = " ".join(str(err).split())
        raise StoreError(
            f"{folder} does not hold the tables that 'mlbench export' writes ({reason}); ask for"
            " another copy"
        ) from err


def load(connection: Connection, table: str, columns: Sequence[str], file: Path) -> None:
    """Append the rows of a file to a table, columns matched by name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as source:
        batches = source.iter_batches(ROWS)
        reader = pa.RecordBatchReader.from_batches(source.schema_arrow, batches)
        connection.register("waiting_rows", reader)
        text = rows_of("waiting_rows", columns, "coalesce(loss, score)")
        connection.execute(f'INSERT INTO "{table}" BY NAME {text}')
        connection.unregister("waiting_rows")


def rows_of(source: str, columns: Sequence[str], loss: str) -> str:
    """Return the SQL of all rows, with another expression for a loss that has a score beside it."""
    replaced = f"SELECT * REPLACE ({loss} AS loss)" if {"loss", "score"} <= set(columns) else ""
    return f"{replaced} FROM {source}"
