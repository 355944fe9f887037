"""``mlbench sql``, over a database that holds no run yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.connection import write
from mlbench.store.paths import StorePaths


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "runs.duckdb"
    with write(StorePaths(path)) as connection:
        connection.execute(
            "INSERT INTO validations VALUES ('r1', 1, 4, 'nan', 0.25, true, 1, 0),"
            " ('r2', 2, 8, 1.5, 0.75, false, 1, 0)"
        )
    return path


def ask(database: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["sql", "--db", str(database), *arguments], input=text)


QUERY = "select run_id, loss, score, null as n from validations order by run_id"


def test_an_answer_is_a_table_on_stdout_and_nothing_else(database: Path) -> None:
    result = ask(database, QUERY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "run_id  loss  score     n",
        "------  ----  -----  ----",
        "r1       NaN   0.25  NULL",
        "r2       1.5   0.75  NULL",
    ]


def test_an_answer_can_be_csv_or_json(database: Path) -> None:
    assert ask(database, QUERY, "--csv").stdout == (
        "run_id,loss,score,n\nr1,NaN,0.25,\nr2,1.5,0.75,\n"
    )
    assert json.loads(ask(database, QUERY, "--json").stdout) == [
        {"run_id": "r1", "loss": "NaN", "score": 0.25, "n": None},
        {"run_id": "r2", "loss": 1.5, "score": 0.75, "n": None},
    ]


def test_a_dash_reads_the_query_from_standard_input(database: Path) -> None:
    assert ask(database, "-", "--csv", text="select 42 as answer\n").stdout == "answer\n42\n"


def test_the_schema_lists_tables_and_views(database: Path) -> None:
    rows = json.loads(ask(database, "--schema", "--json").stdout)
    assert {"table": "episodes", "column": "episode_key", "type": "UBIGINT"} in rows
    assert "results" in {row["table"] for row in rows}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["selec 1"], "syntax error"),
        (["select nope from runs"], "not found"),
        (["drop table episodes"], "DROP is no query"),
        ([], "give one query"),
        (["select 1", "--schema"], "give one query"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    database: Path, arguments: list[str], reason: str
) -> None:
    result = ask(database, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_database_and_no_database_file_are_failures(tmp_path: Path) -> None:
    result = ask(tmp_path / "runs.duckdb", "select 1")
    assert result.exit_code == 1
    assert "'mlbench run ... --db" in result.stderr
    (tmp_path / "notes.txt").write_text("milk" * 5000)
    result = ask(tmp_path / "notes.txt", "select 1")
    assert result.exit_code == 1
    assert "is no DuckDB database" in result.stderr
