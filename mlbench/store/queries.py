"""Every question asked of ``runs.duckdb``: one function, one SQL text, one frame.

Each takes in first what waits in the journals, if the database can be had for that within a
second; docs/schema.md has the columns of ``runs`` and of the views.
"""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl

from mlbench.errors import MisuseError, StoreBusyError, StoreError
from mlbench.store.connection import exists, read
from mlbench.store.ingest import refresh
from mlbench.store.journal import RunState, find_in_journals
from mlbench.store.paths import StorePaths
from mlbench.store.records import Status

RUNS = "SELECT * EXCLUDE (spec, protocol_settings) FROM runs ORDER BY started, run_id"

RESULTS = "SELECT * FROM results ORDER BY started, run_id, eval_dataset"

HYPERPARAMETERS = "SELECT run_id, part, name, value FROM hyperparameters ORDER BY ALL"

BY_SPEC = """
    SELECT run_id, spec_hash, status, attempts, strftime(started, '%Y-%m-%dT%H:%M:%S.%fZ'), error
    FROM runs WHERE spec_hash = $spec_hash
    ORDER BY status = 'finished' DESC, status = 'diverged' DESC, started DESC, run_id DESC LIMIT 1
"""

RUN_END = "SELECT status, error FROM runs WHERE run_id = $run_id"

RUN_RESULTS = """
    SELECT eval_dataset, score, 1.96 * score_sd / sqrt(episodes) AS half_width, loss,
           episodes, nan_episodes, incomplete
    FROM results WHERE run_id = $run_id AND episodes > 0
    ORDER BY eval_dataset <> train_dataset, eval_dataset
"""

RUN_PHASES = """
    SELECT phase, eval_dataset, arg_max(seconds, position) AS seconds
    FROM phases WHERE run_id = $run_id
    GROUP BY phase, eval_dataset ORDER BY min(position)
"""


def list_runs(paths: StorePaths) -> pl.DataFrame:
    """Return all runs, oldest first: the columns of ``runs`` but for its JSON."""
    return ask(paths, RUNS)


def results(paths: StorePaths) -> pl.DataFrame:
    """Return a row per finished or diverged run and eval dataset: the columns of ``results``."""
    return ask(paths, RESULTS)


def hyperparameters(paths: StorePaths) -> pl.DataFrame:
    """Return the settings of all runs.

    Columns:
        run_id, part, name: ``str``; ``part`` is ``algorithm``, ``learner``, ``protocol`` or a
            dataset.
        value: ``str``, JSON.
    """
    return ask(paths, HYPERPARAMETERS)


def find_run(paths: StorePaths, spec_hash: str) -> RunState | None:
    """Return the run of this spec that counts, or ``None``.

    That is the finished one that started last: a later one that came to nothing takes nothing
    away from it. If none is finished, it is likewise the last one that diverged, which is a
    result too, and else the one that started last.

    Asks the journals when the database is held by another process, or what waits cannot be taken
    in: whether to run must not depend on somebody's SQL shell.
    """
    if refresh(paths).waiting is None:
        try:
            with read(paths) as connection:
                row = connection.execute(BY_SPEC, {"spec_hash": spec_hash}).fetchone()
        except StoreBusyError:
            return find_in_journals(paths, spec_hash)
        names = ("run_id", "spec_hash", "status", "attempts", "started", "error")
        return RunState(**dict(zip(names, row, strict=True))) if row else None
    return find_in_journals(paths, spec_hash)


def run_end(paths: StorePaths, run_id: str) -> tuple[Status, str | None] | None:
    """Return the status of a run and what it said of its end; ``None`` if it is not known."""
    rows = ask(paths, RUN_END, run_id=run_id).rows()
    return rows[0] if rows else None


def run_results(paths: StorePaths, run_id: str) -> pl.DataFrame:
    """Return how a run did on each eval dataset that it was tested on, that of training first.

    There are none of a run that neither finished nor diverged.

    Columns:
        eval_dataset: ``str``.
        score, loss: ``f64``; means over the test episodes.
        half_width: ``f64``; 1.96 sd / sqrt(n) of the score, null for one episode.
        episodes, nan_episodes: ``i64``.
        incomplete: ``str``; what is missing from the data, or null.
    """
    return ask(paths, RUN_RESULTS, run_id=run_id)


def run_phases(paths: StorePaths, run_id: str) -> pl.DataFrame:
    """Return the wall time of a run's phases, in the order in which they ended.

    Columns:
        phase, eval_dataset: ``str``.
        seconds: ``f64``; over all attempts.
    """
    return ask(paths, RUN_PHASES, run_id=run_id)


def sql(paths: StorePaths, text: str) -> pl.DataFrame:
    """Return what a query gives; it can read the database and nothing else.

    Raises:
        MisuseError: It is no single query, or DuckDB cannot answer it.
        StoreError: There is no database.
    """
    refresh(paths)
    if not exists(paths.database):
        raise StoreError(
            f"there is no database {paths.database} yet; 'mlbench run ...{paths.option}' makes it,"
            " or name another with --db"
        )
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


def ask(paths: StorePaths, text: str, **parameters: Any) -> pl.DataFrame:
    """Return the answer of one query over everything recorded so far."""
    refresh(paths)
    with read(paths) as connection:
        frame: pl.DataFrame = connection.execute(text, parameters).pl()
    return frame


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
