"""``mlbench list``: all there is, broken plugins with their reason."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.cli.output import aligned
from mlbench.registry import find_plugins
from mlbench.store.connection import write
from mlbench.store.paths import StorePaths


@pytest.fixture(autouse=True)
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where one plugin of two is broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "algorithms").mkdir()
    file = tmp_path / "algorithms" / "broken.py"
    file.write_text('"""Broken: does not load."""\nimport no_such_module\n')
    return file


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["list", *arguments], catch_exceptions=False)


def test_a_broken_plugin_is_listed_with_its_reason_beside_the_others(broken: Path) -> None:
    result = invoke("algorithms")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert list(lines) == ["name", *find_plugins("algorithms")]
    assert "line 2: ModuleNotFoundError: No module named 'no_such_module'" in lines["broken"]
    assert str(broken) in lines["broken"]
    assert "MAML: learn an initialisation" in lines["maml"]


def test_json_has_the_fault_apart_from_the_summary(broken: Path) -> None:
    rows = {row["name"]: row for row in json.loads(invoke("algorithms", "--json").stdout)}
    assert rows["broken"]["summary"] == "Broken: does not load."
    assert rows["broken"]["files"] == [str(broken)]
    assert "no_such_module" in rows["broken"]["fault"]
    assert rows["maml"]["fault"] is None


def test_csv_has_the_same_rows_as_json() -> None:
    rows = json.loads(invoke("datasets", "--json").stdout)
    table = list(csv.DictReader(io.StringIO(invoke("datasets", "--csv").stdout)))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert list(table[0]) == list(rows[0])


def test_names_are_printed_without_loading_anything(broken: Path) -> None:
    broken.write_text("raise AssertionError('loaded')")
    result = invoke("algorithms", "--names")
    assert result.stdout.split() == list(find_plugins("algorithms"))


def test_runs_of_a_database_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert json.loads(invoke("runs", "--json").stdout) == []
    assert invoke("runs").stdout.startswith("run_id  algorithm")
    assert invoke("runs", "--names").stdout == ""
    assert not (tmp_path / "runs.duckdb").exists()


RUNS = """
INSERT INTO attempts BY NAME
SELECT 'r' || seed AS run_id, 1 AS attempt, 0 AS position, TIMESTAMP '2026-11-23' AS started,
       'maml' AS algorithm, 'sine' AS train_dataset, [] AS eval_datasets, 'regression' AS kind,
       5 AS shots, 50 AS queries, seed, 'corrected' AS protocol, '{}' AS protocol_settings,
       'quick' AS budget, 100 AS train_tasks, 10 AS validation_tasks, 50 AS validate_every,
       10 AS test_tasks, 'float32' AS precision, 'h' || seed AS spec_hash, 's' AS settings_hash,
       '{}' AS spec, '' AS command
FROM range(2) AS seeds (seed);
INSERT INTO machines BY NAME
SELECT run_id, 1 AS attempt, 'h' AS host, 'o' AS os, 'cpu' AS device, '3' AS python, 1 AS pid
FROM attempts;
INSERT INTO statuses VALUES
('r0', 1, 'finished', TIMESTAMP '2026-11-24', NULL, 100, false),
('r1', 1, 'diverged', TIMESTAMP '2026-11-24', 'its loss was not finite', 60, false);
INSERT INTO hyperparameters VALUES
('r0', 'algorithm', 'inner_lr', '0.01'), ('r1', 'algorithm', 'inner_lr', '9.0'),
('r0', 'algorithm', 'order', '2'), ('r1', 'algorithm', 'order', '2');
"""


def test_runs_are_told_apart_by_their_settings_and_say_why_they_diverged(tmp_path: Path) -> None:
    with write(StorePaths(tmp_path / "runs.duckdb")) as connection:
        connection.execute(RUNS)
    columns = ("run_id", "settings", "status", "tasks_trained", "error")
    rows = json.loads(invoke("runs", "--json").stdout)
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("r0", "inner_lr=0.01", "finished", 100, None),
        ("r1", "inner_lr=9.0", "diverged", 60, "its loss was not finite"),
    ]
    last = invoke("runs").stdout.splitlines()[-1]
    assert last.split()[7:10] == ["inner_lr=9.0", "diverged", "60"]
    assert last.endswith("its loss was not finite")


def test_the_last_column_is_wrapped_where_lines_have_a_width() -> None:
    cells = [["name", "help"], ["a", "one two three four five six seven"]]
    assert aligned(cells).splitlines()[1] == "a     one two three four five six seven"
    assert aligned(cells, 30).splitlines()[1:] == [
        "a     one two three four five",
        "      six seven",
    ]
