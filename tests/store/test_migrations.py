"""A database of an earlier version, and what becomes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlbench.store import schema
from mlbench.store.connection import read, write
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.queries import hyperparameters, results
from mlbench.store.user_sql import sql

VIEWS = Path(__file__).with_name("views_of_version_1.sql").read_text()
RUNS = """
INSERT INTO schema_version VALUES (1, now() AT TIME ZONE 'UTC');
INSERT INTO attempts BY NAME
SELECT status AS run_id, unnest([1, 2]) AS attempt, 0 AS position,
       TIMESTAMP '2026-11-23' AS started, 'maml' AS algorithm, 'mini' AS train_dataset,
       [] AS eval_datasets, 'classification' AS kind, 5 AS ways, 1 AS shots, 16 AS queries,
       0 AS seed, 'released' AS protocol,
       '{"replacement": true, "restores": "released"}' AS protocol_settings, 'quick' AS budget,
       100 AS train_tasks, 10 AS validation_tasks, 50 AS validate_every, 10 AS test_tasks,
       'float32' AS precision, 'h' AS spec_hash, 's' AS settings_hash, '{}' AS spec, '' AS command
FROM (VALUES ('finished'), ('diverged')) AS runs (status);
INSERT INTO machines BY NAME
SELECT run_id, attempt, 'h' AS host, 'o' AS os, 'cpu' AS device, '3' AS python, 1 AS pid
FROM attempts;
INSERT INTO statuses BY NAME
SELECT run_id, attempt, run_id AS status, TIMESTAMP '2026-11-24' AS ended, false AS inferred
FROM attempts WHERE attempt = 2;
INSERT INTO hyperparameters VALUES ('finished', 'algorithm', 'inner_lr', '0.01');
INSERT INTO data
SELECT DISTINCT run_id, 'mini', unnest(['train', 'eval']), 'f-mini', NULL FROM attempts;
INSERT INTO episodes BY NAME
SELECT 'finished' AS run_id, 'test' AS phase, 'mini' AS train_dataset, 'mini' AS eval_dataset,
       0 AS episode, 0 AS step, 1.0 AS loss, 0.25 AS score, 0.1 AS seconds, 0 AS episode_key,
       1 AS attempt, 0 AS position;
"""


@pytest.fixture
def version_1(paths: StorePaths) -> StorePaths:
    """Return a store whose database is of schema 1, with a run that finished and one that did not.

    Both had two attempts.
    """
    with duckdb.connect(paths.database) as connection:
        connection.execute(schema.MIGRATIONS[1].read_text())
        connection.execute(VIEWS)
        connection.execute(RUNS)
        assert schema.version(connection) == 1
        assert connection.execute("SELECT run_id FROM results").fetchall() == [("finished",)]
    return paths


def test_a_database_of_version_1_gets_diverged_results_and_the_settings_of_protocols(
    version_1: StorePaths,
) -> None:
    with read(version_1) as connection:
        assert schema.version(connection) == schema.LATEST
    columns = ("run_id", "status", "statistic", "score")
    assert results(version_1).select(columns).sort("run_id").rows() == [
        ("diverged", "diverged", "median", None),
        ("finished", "finished", "median", 0.25),
    ]
    settings = [("protocol", "replacement", "true"), ("protocol", "restores", '"released"')]
    assert hyperparameters(version_1).rows() == [
        *(("diverged", *setting) for setting in settings),
        ("finished", "algorithm", "inner_lr", "0.01"),
        *(("finished", *setting) for setting in settings),
    ]
    applied = sql(version_1, "SELECT version FROM schema_version ORDER BY version")
    assert applied["version"].to_list() == [*range(1, schema.LATEST + 1)]


def test_a_migration_sums_up_tests_as_ingesting_does(paths: StorePaths, fake_run: Any) -> None:
    scores = {"odd": [0.5, math.inf, 0.25], "lost": [0.5, math.nan, 0.5], "large": [1e200, 1.0]}
    for name, values in scores.items():
        run = fake_run(name)
        tested = replace(run.episodes(0, len(values), "test"), score=values)
        run.write(paths, [run.started(), tested, run.status()])
    whole = fake_run("whole")
    whole.write(paths, whole.whole())
    ingest(paths)
    everything = "FROM test_scores ORDER BY run_id, eval_dataset"
    statement = schema.MIGRATIONS[3].read_text().partition("INSERT INTO test_scores")
    with write(paths) as connection:
        ingested = connection.execute(everything).fetchall()
        connection.execute("DELETE FROM test_scores")
        connection.execute("".join(statement[1:]))
        migrated = connection.execute(everything).fetchall()
    assert len(ingested) == 5
    assert repr(migrated) == repr(ingested)  # NaN differs from itself


def test_runs_of_before_were_alone_and_not_compiled(version_1: StorePaths) -> None:
    found = sql(version_1, "SELECT DISTINCT stacked, compiled FROM runs")
    assert found.rows() == [(1, False)]


def test_a_migrated_database_has_the_columns_of_one_made_anew(
    version_1: StorePaths, tmp_path: Path
) -> None:
    columns = "SELECT * FROM information_schema.columns ORDER BY table_name, ordinal_position"
    described = []
    for paths in (version_1, StorePaths(tmp_path / "anew.duckdb")):
        with read(paths) as connection:
            frame = connection.execute(columns).pl().drop("table_catalog")
        described.append(frame)
    assert described[0].equals(described[1])
