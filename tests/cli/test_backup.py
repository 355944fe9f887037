"""``mlbench backup``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.paths import StorePaths
from tests.store.upkeep.stores import fill


def mlbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_copy_is_a_store(tmp_path: Path) -> None:
    paths = fill(StorePaths(tmp_path / "runs.duckdb"))
    folder = tmp_path / "copy"
    result = mlbench("backup", folder, "--db", paths.database)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"{folder}/runs.duckdb: 72 episodes, 6 journals, ")
    shown = mlbench("list", "runs", "--db", folder / "runs.duckdb")
    assert shown.exit_code == 0
    assert shown.stdout == mlbench("list", "runs", "--db", paths.database).stdout


def test_misuse_is_one_line(tmp_path: Path) -> None:
    paths = fill(StorePaths(tmp_path / "runs.duckdb"))
    for words, code, message in (
        (["backup", paths.folder, "--db", paths.database], 2, "is there already; move it away"),
        (["backup", tmp_path / "c", "--db", tmp_path / "x.duckdb"], 1, "there is no database"),
        (["backup"], 2, "Missing argument 'DEST'"),
    ):
        result = mlbench(*words)
        assert result.exit_code == code
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
