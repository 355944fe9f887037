"""``mlbench export``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.paths import StorePaths
from tests.store.upkeep.stores import ask, contents, fill


@pytest.fixture
def filled(tmp_path: Path) -> StorePaths:
    return fill(StorePaths(tmp_path / "runs.duckdb"))


def export(paths: StorePaths, folder: Path, *more: str) -> Result:
    command = ["export", "--parquet", str(folder), "--db", str(paths.database), *more]
    return CliRunner().invoke(main, command)


def test_tables_go_out_and_come_back(filled: StorePaths, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    result = export(filled, folder)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{folder}: 13 tables of all runs, 72 episodes\n"
    back = StorePaths(tmp_path / "back.duckdb")
    CliRunner().invoke(main, ["merge", str(folder), "--db", str(back.database)])
    assert contents(back) == contents(filled)


def test_runs_are_chosen_by_a_condition(filled: StorePaths, tmp_path: Path) -> None:
    result = export(filled, tmp_path / "tables", "--where", "status = 'finished'")
    assert "13 tables of 2 runs, 19 episodes" in result.stderr
    back = StorePaths(tmp_path / "back.duckdb")
    CliRunner().invoke(main, ["merge", str(tmp_path / "tables"), "--db", str(back.database)])
    assert ask(back, "SELECT run_id FROM runs ORDER BY 1") == [("odd",), ("whole",)]


def test_misuse_is_one_line(filled: StorePaths, tmp_path: Path) -> None:
    for result, code, message in (
        (export(filled, filled.folder), 2, "is there already; move it away"),
        (export(filled, tmp_path / "t", "--where", "nope"), 2, "is no condition on runs"),
        (export(filled, tmp_path / "t", "--where", "seed = 99"), 1, "'seed = 99' holds; widen"),
        (export(StorePaths(tmp_path / "x.duckdb"), tmp_path / "t"), 1, "there is no database"),
        (CliRunner().invoke(main, ["export"]), 2, "Missing option '--parquet'"),
    ):
        assert result.exit_code == code
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "t").exists()
