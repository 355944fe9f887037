"""``mlbench rebuild``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mlbench.cli import main
from mlbench.store.paths import StorePaths
from tests.store.upkeep.stores import contents, fill


@pytest.fixture
def filled(tmp_path: Path) -> StorePaths:
    return fill(StorePaths(tmp_path / "runs.duckdb"))


def rebuild(paths: StorePaths) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["rebuild", "--db", str(paths.database)])
    return result.exit_code, result.stdout, result.stderr


def test_what_was_made_is_told(filled: StorePaths) -> None:
    before = contents(filled)
    code, output, told = rebuild(filled)
    assert (code, output) == (0, "")
    assert told == f"{filled.database} is made anew: 4 runs, 84 episodes.\n"
    assert contents(filled) == before


def test_what_was_lost_and_kept_is_told(filled: StorePaths) -> None:
    filled.journal("whole", 1).unlink()
    assert rebuild(filled)[2].startswith("Wrote journals of 1 run that only the database had.\n")
    filled.database.write_text("x" * 5000)
    code, _, told = rebuild(filled)
    kept = filled.database.with_name("runs.old-1.duckdb")
    assert code == 0
    assert f"The old one is kept as {kept}: {filled.database} is no DuckDB database." in told


def test_damage_ends_with_1(filled: StorePaths) -> None:
    with filled.journal("whole", 1).open("ab") as file:
        file.write(b"{}\n")
    code, _, told = rebuild(filled)
    assert code == 1
    assert "whole.1.jsonl is damaged, line 11: it is no record" in told


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    code, _, told = rebuild(StorePaths(tmp_path / "no" / "runs.duckdb"))
    assert code == 1
    assert told.count("\n") == 1
    assert "does not exist; make it" in told
