"""Runs that fail or diverge, as ``mlbench run`` tells of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlbench.store.queries import list_runs, results
from tests.cli.small_runs import SMALL, Call, store, the_error

DIVIDES_BY_ZERO = """
from mlbench.inner import GradientBased, UpdateRule

class Rule(UpdateRule):
    def start(self, meta, theta): return None
    def step(self, meta, state, theta, gradient, loss, t): return theta * (1 // t), None

class Broken(GradientBased):
    "Divides by zero."
    name = "broken"
    paper = "none"
    Rule = Rule
"""
WRONG_SHAPE = DIVIDES_BY_ZERO.replace("theta * (1 // t)", "theta[:7]")
NOTHING_BUT_NAN = DIVIDES_BY_ZERO.replace("theta * (1 // t)", "theta * float('nan')")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DIVIDES_BY_ZERO, r"Broken of .*broken\.py cannot .*: ZeroDivisionError: "),
        (WRONG_SHAPE, r"Broken of .*broken\.py cannot predict: RuntimeError: "),
    ],
)
def test_a_plugin_that_fails_is_named_and_the_run_marked_failed(
    mlbench: Call, source: str, message: str
) -> None:
    Path("algorithms").mkdir()
    Path("algorithms", "broken.py").write_text(source)
    line = the_error(mlbench("run", "broken", "--train", "sine", *SMALL), 1)
    assert re.search(message, line)
    (row,) = list_runs(store()).iter_rows(named=True)
    assert row["status"] == "failed"
    assert line.removeprefix("Error: ").startswith(row["error"])
    assert re.search(r"\(traceback in runs/tracebacks/broken-sine-.*\.1\.txt\)$", line)
    assert mlbench("run", "broken", "--train", "sine", *SMALL).exit_code == 1
    assert list_runs(store())["attempts"].to_list() == [2]


def test_a_run_that_diverges_is_a_result_that_is_shown_and_not_run_again(mlbench: Call) -> None:
    Path("algorithms").mkdir()
    Path("algorithms", "broken.py").write_text(NOTHING_BUT_NAN)
    first, again = (mlbench("run", "broken", "--train", "sine", *SMALL) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    for result in (first, again):
        assert "diverged: broken has no finite validation loss after 0 meta-upd" in result.output
        assert "there was nothing to test" in result.output
    (row,) = list_runs(store()).iter_rows(named=True)
    assert (row["status"], row["attempts"], row["tasks_trained"]) == ("diverged", 1, 6)
    assert "diverged" in mlbench("table").output


def test_a_run_that_diverges_later_is_tested_with_its_best_state(mlbench: Call) -> None:
    arguments = ("run", "maml", "--train", "sine", *SMALL, "--set", "meta_lr=1e30")
    result = mlbench(*arguments, "--set", "clip=none", "--set", "meta_clip=none")
    assert result.exit_code == 0
    (row,) = list_runs(store()).iter_rows(named=True)
    assert row["status"] == "diverged"
    (tested,) = results(store()).iter_rows(named=True)
    assert tested["nan_episodes"] == 0
    assert 1 < tested["score"] < 10  # what an untrained network gives
