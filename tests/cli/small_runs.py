"""Runs of a second, and what tests ask of those who print them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from mlbench.run.setup import Request
from mlbench.store.paths import StorePaths

SMALL = (
    *("--queries", "6", "--train-tasks", "12", "--validation-tasks", "4"),
    *("--validate-every", "6", "--test-tasks", "5", "--set", "train_steps=1"),
)
SINE = ("run", "maml", "--train", "sine", *SMALL)
SMALL_REQUEST = Request(
    algorithm="maml",
    train="sine",
    queries=6,
    train_tasks=12,
    validation_tasks=4,
    validate_every=6,
    test_tasks=5,
    settings={"train_steps": "1"},
)
Call = Callable[..., Result]


def the_error(result: Result, code: int) -> str:
    """Return the one line of an error; narration may come before it."""
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.stderr.splitlines()[-1] == line
    assert "Traceback" not in result.stderr
    return line


def store() -> StorePaths:
    return StorePaths(Path("runs.duckdb"))
