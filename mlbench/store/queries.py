"""Every question asked of ``runs.duckdb``: one function, one SQL text, one frame.

Each takes in first what waits in the journals, if the database can be had for that within a
second; docs/schema.md has the columns of ``runs`` and of the views.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlbench.errors import StoreBusyError
from mlbench.store.connection import read
from mlbench.store.ingest import reading, refresh
from mlbench.store.paths import StorePaths
from mlbench.store.records import Status
from mlbench.store.states import RunState, find_in_journals, states_by_spec

if TYPE_CHECKING:
    import polars as pl

RUNS = "SELECT * EXCLUDE (spec, protocol_settings) FROM runs ORDER BY started, run_id"

RESULTS = "SELECT * FROM results ORDER BY started, run_id, eval_dataset"

HYPERPARAMETERS = "SELECT run_id, part, name, value FROM hyperparameters ORDER BY ALL"

BY_SPEC = """
    SELECT run_id, spec_hash, status, attempts, strftime(started, '%Y-%m-%dT%H:%M:%S.%fZ'), error
    FROM runs WHERE spec_hash = $spec_hash
    ORDER BY status = 'finished' DESC, status = 'diverged' DESC, started DESC, run_id DESC LIMIT 1
"""

BY_SPECS = """
    SELECT DISTINCT ON (spec_hash)
        run_id, spec_hash, status, attempts, strftime(started, '%Y-%m-%dT%H:%M:%S.%fZ') AS started,
        error
    FROM runs
    ORDER BY
        spec_hash, status = 'finished' DESC, status = 'diverged' DESC, started DESC, run_id DESC
"""

THROUGHPUT = """
    SELECT
        r.algorithm, r.train_dataset, r.kind, r.ways, r.shots, r.stacked > 1 AS stacked,
        t.device LIKE 'cuda%' AS gpu,
        CAST(r.spec -> 'hyperparameters' AS VARCHAR) AS hyperparameters,
        t.seconds / (
            r.train_tasks + (1 + r.train_tasks // r.validate_every) * r.validation_tasks
            + (1 + len(r.eval_datasets)) * r.test_tasks
        ) AS seconds_per_task
    FROM runs AS r JOIN running_times AS t USING (run_id)
    WHERE r.status = 'finished'
"""

STATES = """
    SELECT
        r.run_id, r.algorithm, r.train_dataset, r.eval_datasets, r.kind, r.ways, r.shots,
        r.queries, r.seed, r.protocol, r.budget, r.train_tasks, r.validation_tasks,
        r.validate_every, r.test_tasks, r.started,
        r.attempts, m.host, m.pid, r.status, r.error, r.finished, r.tasks_trained,
        v.validation, v.best, s.score
    FROM runs AS r
    JOIN machines AS m ON m.run_id = r.run_id AND m.attempt = r.attempts
    LEFT JOIN (
        SELECT
            run_id, arg_max(score, position) AS validation,
            arg_max(score, position) FILTER (best) AS best
        FROM validations GROUP BY run_id
    ) AS v ON v.run_id = r.run_id
    LEFT JOIN test_scores AS s ON s.run_id = r.run_id AND s.eval_dataset = r.train_dataset
"""

CURVES = """
    SELECT * FROM learning_curves WHERE run_id IN (SELECT unnest($runs))
    ORDER BY run_id, phase, tasks
"""

TIMES = "SELECT * FROM running_times WHERE run_id IN (SELECT unnest($runs)) ORDER BY run_id"

TEST_EPISODES = """
    SELECT run_id, eval_dataset, episode, episode_key, loss, score
    FROM episodes
    WHERE phase = 'test' AND run_id IN (SELECT unnest($runs))
    ORDER BY run_id, eval_dataset, episode
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


class Study(NamedTuple):
    """What most tables and figures begin with.

    Args:
        runs: :func:`list_runs`.
        results: :func:`results`.
        hyperparameters: :func:`hyperparameters`.
    """

    runs: pl.DataFrame
    results: pl.DataFrame
    hyperparameters: pl.DataFrame


def study(paths: StorePaths) -> Study:
    """Return runs, results and settings as they are at one moment."""
    with reading(paths) as connection:
        return Study(*(connection.execute(text).pl() for text in (RUNS, RESULTS, HYPERPARAMETERS)))


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


def run_states(paths: StorePaths, *, patience: float) -> pl.DataFrame:
    """Return how all runs stood when they were last taken in; takes nothing in itself.

    Columns:
        From ``run_id`` to ``started``: what was asked for, as in ``runs``.
        attempts, host, pid: The last attempt's.
        status, error, finished, tasks_trained: As in ``runs``.
        validation, best: ``f64``; the last and the best validation score.
        score: ``f64``; mean over the test episodes in its own domain.

    Raises:
        StoreBusyError: Another process held the database all of ``patience`` seconds.
        StoreError: It cannot be used.
    """
    with read(paths, patience=patience) as connection:
        frame: pl.DataFrame = connection.execute(STATES).pl()
    return frame


def learning_curves(paths: StorePaths, run_ids: Sequence[str]) -> pl.DataFrame:
    """Return the learning curves of some runs: the columns of ``learning_curves``."""
    return ask(paths, CURVES, runs=list(run_ids))


def running_times(paths: StorePaths, run_ids: Sequence[str]) -> pl.DataFrame:
    """Return where the time of some runs went: the columns of ``running_times``."""
    return ask(paths, TIMES, runs=list(run_ids))


def meta_test_episodes(paths: StorePaths, run_ids: Sequence[str]) -> pl.DataFrame:
    """Return the test episodes of some runs, in order.

    Columns:
        run_id, eval_dataset: ``str``.
        episode: ``i64``; its place in the stream.
        episode_key: ``u64``; equal keys, equal episodes.
        loss, score: ``f64``.
    """
    return ask(paths, TEST_EPISODES, runs=list(run_ids))


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


def find_runs(paths: StorePaths) -> dict[str, RunState]:
    """Return, by the hash of its spec, the run that counts of each, as :func:`find_run` does."""
    found = states_by_spec(paths)
    if refresh(paths).waiting is None:
        try:
            with read(paths) as connection:
                rows = connection.execute(BY_SPECS).fetchall()
        except StoreBusyError:
            return found
        names = ("run_id", "spec_hash", "status", "attempts", "started", "error")
        states = (RunState(**dict(zip(names, row, strict=True))) for row in rows)
        return found | {s.spec_hash: s for s in states if s.spec_hash not in found}
    return found


def throughput(paths: StorePaths) -> pl.DataFrame:
    """Return how fast runs were that finished.

    Columns:
        algorithm, train_dataset, kind: ``str``.
        ways, shots: ``i64``.
        stacked: ``bool``; whether several runs were one program.
        gpu: ``bool``; whether it was computed on one.
        hyperparameters: ``str``, JSON.
        seconds_per_task: ``f64``; over training, validation and test tasks alike.
    """
    return ask(paths, THROUGHPUT)


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


def ask(paths: StorePaths, text: str, **parameters: Any) -> pl.DataFrame:
    """Return the answer of one query over everything recorded so far."""
    with reading(paths) as connection:
        frame: pl.DataFrame = connection.execute(text, parameters).pl()
    return frame
