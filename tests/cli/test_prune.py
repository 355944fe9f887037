"""``mlbench prune``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.paths import StorePaths
from tests.store.upkeep.stores import ask, contents, fill

TRAINED = "SELECT DISTINCT run_id FROM episodes WHERE phase = 'train' ORDER BY 1"


@pytest.fixture
def filled(tmp_path: Path) -> StorePaths:
    return fill(StorePaths(tmp_path / "runs.duckdb"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbench.cli.prune.on_terminal", lambda: True)


def prune(paths: StorePaths, *more: str, answer: str | None = None) -> Result:
    command = ["prune", "--db", str(paths.database), *more]
    return CliRunner().invoke(main, command, input=answer)


def test_without_a_terminal_nothing_is_dropped_unasked(filled: StorePaths) -> None:
    before = contents(filled)
    result = prune(filled, "--older-than", "0h")
    assert result.exit_code == 2
    assert "8 training episodes of 1 run, from journals of" in result.stderr
    assert "no terminal to ask on; say --yes" in result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(filled) == before


@pytest.mark.usefixtures("terminal")
def test_it_asks_first(filled: StorePaths) -> None:
    before = contents(filled)
    result = prune(filled, "--older-than", "0h", answer="n\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Drop 8 training episodes of 1 run, from journals of")
    assert contents(filled) == before
    result = prune(filled, "--older-than", "0h", answer="y\n")
    assert result.exit_code == 0
    assert "Dropped 8 training episodes of 1 run: " in result.stderr
    assert ask(filled, TRAINED) == [("dead",), ("killed",)]


def test_nothing_to_prune_is_no_question(filled: StorePaths) -> None:
    for more in (["--where", "run_id = 'dead'", "--older-than", "0h"], ["--older-than", "9999w"]):
        result = prune(filled, *more)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "There is nothing to prune.\n"


def test_yes_drops_at_once(filled: StorePaths) -> None:
    result = prune(filled, "--older-than", "0d", "--yes", "--where", "budget = 'quick'")
    assert (result.exit_code, result.stdout) == (0, "")
    assert ask(filled, TRAINED) == [("dead",), ("killed",)]
    assert prune(filled, "--older-than", "0d").stderr == "There is nothing to prune.\n"


@pytest.mark.parametrize("age", ["soon", "30", "-1d", "1y", "d", "999999d"])
def test_what_is_no_age_is_misuse(filled: StorePaths, age: str) -> None:
    result = prune(filled, f"--older-than={age}")
    assert result.exit_code == 2
    assert "is no age; write hours, days or weeks, as 12h, 30d or 8w" in result.stderr
