"""What is asked about one run: one function, one SQL text, one frame.

All are asked over one connection, which :func:`asking` opens: whoever looks at a run has ten
questions, and to open the database takes longer than to answer one. Of a run that the database
does not know the frames are empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from mlbench.store.ingest import reading
from mlbench.store.paths import StorePaths

if TYPE_CHECKING:
    import polars as pl

Connection = duckdb.DuckDBPyConnection

CURVE = """
    SELECT phase, tasks, loss, score, best FROM learning_curves
    WHERE run_id = $run_id ORDER BY phase, tasks
"""

HYPERPARAMETERS = """
    SELECT part, name, value FROM hyperparameters
    WHERE run_id = $run_id ORDER BY part <> 'algorithm', part, name
"""

DATA = """
    SELECT dataset, role, fingerprint, incomplete FROM data
    WHERE run_id = $run_id ORDER BY role DESC, dataset
"""

PROVENANCE = """
    SELECT attempt, started, ended, status, inferred, error, command, git_commit, git_dirty,
           host, os, cpu, cores, memory_bytes, gpu, device, threads, engine, allocator, python, pid,
           stacked, compiled, tf32, deterministic
    FROM attempts
    JOIN machines USING (run_id, attempt)
    LEFT JOIN statuses USING (run_id, attempt)
    WHERE run_id = $run_id ORDER BY attempt
"""

PACKAGES = """
    SELECT name, version FROM packages
    WHERE run_id = $run_id
      AND attempt = (SELECT max(attempt) FROM packages WHERE run_id = $run_id)
    ORDER BY name
"""

PLUGIN_FILES = """
    SELECT path, sha256 FROM plugin_files
    WHERE run_id = $run_id
      AND attempt = (SELECT max(attempt) FROM plugin_files WHERE run_id = $run_id)
    ORDER BY path
"""

EPISODE_HISTOGRAM = """
    WITH run AS (SELECT kind, ways * queries AS answers FROM runs WHERE run_id = $run_id),
    scores AS (
        SELECT eval_dataset, score FROM episodes
        WHERE run_id = $run_id AND phase = 'test' AND isfinite(score)
    ),
    span AS (
        SELECT
            -- An accuracy is a whole number of right answers: a bin holds equally many of these,
            -- or some bins would look empty for no reason.
            CASE kind WHEN 'classification' THEN least_score - 0.5 / answers ELSE 0 END AS low,
            CASE kind
                WHEN 'classification'
                THEN greatest(1, ceil((most - least_score) * answers / $bins)) / answers
                ELSE greatest(usual, 1e-12) / ($bins - 1)
            END AS width,
            kind
        FROM run, (
            SELECT min(score) AS least_score, max(score) AS most,
                   quantile_cont(score, 0.95) AS usual
            FROM scores
        )
    ),
    binned AS (
        SELECT eval_dataset, least($bins - 1, floor((score - low) / width))::BIGINT AS bin
        FROM scores, span
    )
    SELECT eval_dataset, bin, low + bin * width AS low,
           CASE WHEN kind = 'classification' OR bin < $bins - 1 THEN low + (bin + 1) * width END
               AS high,
           count(*) AS episodes
    FROM binned, span
    GROUP BY ALL ORDER BY eval_dataset, bin
"""

WORST_EPISODES = """
    SELECT eval_dataset, episode, episode_key, score, loss
    FROM episodes, (SELECT kind, train_dataset FROM runs WHERE run_id = $run_id) AS run
    WHERE run_id = $run_id AND phase = 'test'
    QUALIFY row_number() OVER (
        PARTITION BY eval_dataset
        ORDER BY isfinite(score) AND isfinite(loss),
            CASE kind WHEN 'regression' THEN -score ELSE score END, loss DESC, episode
    ) <= $most
    ORDER BY eval_dataset <> run.train_dataset, eval_dataset,
        isfinite(score) AND isfinite(loss),
        CASE kind WHEN 'regression' THEN -score ELSE score END, loss DESC, episode
"""


@contextmanager
def asking(paths: StorePaths) -> Iterator[Connection]:
    """Open the database to ask about runs, having taken in what waits in the journals.

    Raises:
        StoreBusyError: Another process held the database all the time.
        StoreError: It cannot be used.
    """
    with reading(paths) as connection:
        yield connection


def ask(connection: Connection, text: str, **parameters: Any) -> pl.DataFrame:
    """Return the answer of one query."""
    frame: pl.DataFrame = connection.execute(text, parameters).pl()
    return frame


def run_curve(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return the learning curve of a run, alive or not.

    Columns:
        phase: ``str``; ``train``, in windows of some two hundred to a run, or ``validation``.
        tasks: ``i64``; training tasks met by then.
        loss, score: ``f64``.
        best: ``bool``; whether a validation was the best so far; null in training.
    """
    return ask(connection, CURVE, run_id=run_id)


def run_hyperparameters(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return all settings of a run, the technique's own first.

    Columns:
        part, name: ``str``; see :func:`mlbench.store.queries.hyperparameters`.
        value: ``str``, JSON.
    """
    return ask(connection, HYPERPARAMETERS, run_id=run_id)


def run_data(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return the data that a run used.

    Columns:
        dataset: ``str``.
        role: ``str``; ``train`` or ``eval``.
        fingerprint: ``str``; equal fingerprints, equal episodes.
        incomplete: ``str``; what is missing, or null.
    """
    return ask(connection, DATA, run_id=run_id)


def run_provenance(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return a row per attempt: what was typed, which code, which machine, how it ended.

    Columns:
        attempt, started, command, git_commit, git_dirty: As in ``attempts``.
        ended, status, inferred, error: As in ``statuses``; null while the attempt goes on.
        From ``host`` to ``deterministic``: As in ``machines``.
    """
    return ask(connection, PROVENANCE, run_id=run_id)


def run_packages(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return the packages that the last attempt used.

    Columns:
        name, version: ``str``.
    """
    return ask(connection, PACKAGES, run_id=run_id)


def run_plugin_files(connection: Connection, run_id: str) -> pl.DataFrame:
    """Return the plugin files that the last attempt used.

    Columns:
        path, sha256: ``str``.
    """
    return ask(connection, PLUGIN_FILES, run_id=run_id)


def run_episode_histogram(connection: Connection, run_id: str, *, bins: int = 20) -> pl.DataFrame:
    """Return how the scores of a run's test episodes are spread; data sets share their bins.

    Scores that are not finite are left out. Mean squared errors have a long tail: the last bin
    takes all beyond the 95 % quantile and has no upper end.

    Args:
        connection: To the database.
        run_id: The run.
        bins: At most so many.

    Columns:
        eval_dataset: ``str``.
        bin: ``i64``; from 0; empty bins have no row.
        low, high: ``f64``; of the bin; ``high`` is null for one without end.
        episodes: ``i64``.
    """
    return ask(connection, EPISODE_HISTOGRAM, run_id=run_id, bins=bins)


def worst_episodes(connection: Connection, run_id: str, *, most: int = 5) -> pl.DataFrame:
    """Return the test episodes that a run did worst on, those that are not finite before all.

    Args:
        connection: To the database.
        run_id: The run.
        most: Of each eval data set.

    Columns:
        eval_dataset: ``str``; that of training first.
        episode: ``i64``; its place in the stream.
        episode_key: ``u64``; equal keys, equal episodes.
        score, loss: ``f64``.
    """
    return ask(connection, WORST_EPISODES, run_id=run_id, most=most)
