"""``mlbench table``, over runs that were put into the database by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.connection import write
from mlbench.store.paths import StorePaths

RUNS = """
INSERT INTO attempts BY NAME
SELECT 'r' || seed AS run_id, 1 AS attempt, 0 AS position, TIMESTAMP '2026-11-23' AS started,
       'maml' AS algorithm, 'mini' AS train_dataset, ['mini', 'cub'] AS eval_datasets,
       'classification' AS kind, 5 AS ways, 1 AS shots, 16 AS queries, seed,
       'corrected' AS protocol, '{}' AS protocol_settings, 'quick' AS budget,
       100 AS train_tasks, 10 AS validation_tasks, 50 AS validate_every, 10 AS test_tasks,
       'float32' AS precision, 'h' || seed AS spec_hash, 's' AS settings_hash, '{}' AS spec,
       '' AS command
FROM range(4) AS seeds (seed);
INSERT INTO machines BY NAME
SELECT run_id, 1 AS attempt, 'h' AS host, 'o' AS os, 'cpu' AS device, '3' AS python, 1 AS pid
FROM attempts;
INSERT INTO statuses BY NAME
SELECT run_id, 1 AS attempt, CASE WHEN seed < 3 THEN 'finished' ELSE 'failed' END AS status,
       TIMESTAMP '2026-11-24' AS ended, false AS inferred
FROM attempts;
INSERT INTO data
SELECT run_id, 'mini', 'train', 'f-mini', '60 of 600 images a class' FROM attempts
UNION ALL SELECT run_id, 'cub', 'eval', 'f-cub', NULL FROM attempts;
INSERT INTO episodes BY NAME
SELECT run_id, 'test' AS phase, 'mini' AS train_dataset, 'cub' AS eval_dataset, episode,
       0 AS step, 1.0 AS loss, 0.25 * (1 + seed) AS score, 0.1 AS seconds, 0 AS episode_key,
       1 AS attempt, episode AS position
FROM attempts, range(2) AS episodes (episode);
"""


DIVERGED = """
UPDATE statuses SET status = 'diverged', error = 'at step 7' WHERE run_id IN ('r0', 'r3');
DELETE FROM episodes WHERE run_id = 'r3';
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "runs.duckdb"
    with write(StorePaths(path)) as connection:
        connection.execute(RUNS)
    return path


@pytest.fixture
def diverged(database: Path) -> Path:
    """Return a database of four runs of which two diverged, one with nothing to test."""
    with write(StorePaths(database)) as connection:
        connection.execute(DIVERGED)
    return database


def table(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["table", "--db", str(database), *arguments])


def test_the_table_has_the_median_over_runs_with_footnotes_and_what_is_left_out(
    database: Path,
) -> None:
    result = table(database)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("corrected protocol, quick budget: 100 training tasks")
    assert lines[3].split() == [
        *("maml", "mini", "->", "cub", "5", "1", "3"),
        *("0.500", "0.250", "to", "0.750", "[1]"),
    ]
    assert lines[-3].startswith("[1] mini: 60 of 600 images a class; not comparable")
    assert lines[-1] == "Runs not counted: 1 failed."


def test_json_and_csv_are_data_alone(database: Path) -> None:
    result = table(database, "--json")
    (row,) = json.loads(result.stdout)
    assert (row["score"], row["low"], row["high"], row["runs"]) == (0.5, 0.25, 0.75, 3)
    assert "1 failed" in result.stderr
    lines = table(database, "--csv").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("kind,protocol,budget")


def test_runs_that_diverged_count_and_are_told_of(diverged: Path) -> None:
    lines = table(diverged).stdout.splitlines()
    assert lines[3].split()[6:8] == ["3", "0.500"]
    assert lines[3].endswith("[1][2]")
    assert lines[-2] == "[1] 2 of 4 runs diverged, 1 with nothing to test"
    assert not any(line.startswith("Runs not counted") for line in lines)
    (row,) = json.loads(table(diverged, "--json").stdout)
    assert (row["runs"], row["diverged"], row["untested"]) == (3, 2, 1)
    assert "diverged" in table(diverged, "--csv").stdout.splitlines()[0].split(",")


@pytest.mark.parametrize(
    ("statistic", "heading", "numbers"),
    [
        ("median", "median accuracy", "0.500  0.250 to 0.750"),
        ("mean", "mean accuracy", "0.500  0.217 to 0.783"),  # 1.96 * .25 / sqrt(3)
        ("trimmed", "trimmed mean of medians, accuracy", "0.500  0.217 to 0.783"),
    ],
)
def test_another_statistic_is_asked_for_by_name(
    database: Path, statistic: str, heading: str, numbers: str
) -> None:
    lines = table(database, "--statistic", statistic).stdout.splitlines()
    assert f"  {heading}  95 % interval" in lines[1]
    assert numbers in lines[3]


def test_the_statistic_is_that_of_the_protocol_unless_asked_for_another(database: Path) -> None:
    with write(StorePaths(database)) as connection:
        connection.execute("""UPDATE attempts SET protocol_settings = '{"statistic": "mean"}'""")
    assert "mean accuracy" in table(database).stdout
    assert "median accuracy" in table(database, "--statistic", "median").stdout


def test_an_unknown_statistic_is_refused_with_those_there_are(database: Path) -> None:
    result = table(database, "--statistic", "mode")
    assert result.exit_code == 2
    assert "'median', 'mean', 'trimmed'" in result.stderr


def test_an_empty_database_says_what_to_type(tmp_path: Path) -> None:
    result = table(tmp_path / "runs.duckdb")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no finished run; make one: mlbench run" in result.stderr
