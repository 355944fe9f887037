"""What ``run`` and ``resume`` print of a result, from results made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlbench.cli.outcome import report
from mlbench.run.setup import Request, prepare
from mlbench.session.launch import Launched
from mlbench.session.outcome import Outcome, PhaseSeconds, Result

Output = pytest.CaptureFixture[str]
REASON = "maml had no finite meta-gradient for 50 meta-steps, at training task 3210"
RESULT = Result(
    eval_dataset="sine",
    score=0.25,
    half_width=0.05,
    loss=0.25,
    episodes=40,
    nan_episodes=0,
    incomplete=None,
)
PHASES = [PhaseSeconds(phase="train", eval_dataset="sine", seconds=4.0)]


def printed(
    outcome: Outcome | None, tmp_path: Path, capsys: Output, *, as_json: bool = False
) -> str:
    spec = prepare(Request(algorithm="maml", train="sine", budget="smoke")).spec
    report(Launched("r1", spec, outcome), tmp_path / "runs.duckdb", as_json=as_json)
    return capsys.readouterr().out


def test_a_run_that_finished_says_nothing_of_diverging(tmp_path: Path, capsys: Output) -> None:
    text = printed(Outcome([RESULT], PHASES, None), tmp_path, capsys)
    assert "0.250 ± 0.050" in text
    assert "diverged" not in text
    assert "nothing to test" not in text


def test_a_run_that_diverged_says_so_in_a_line_after_its_results(
    tmp_path: Path, capsys: Output
) -> None:
    lines = printed(Outcome([RESULT], PHASES, REASON), tmp_path, capsys).splitlines()
    assert lines[0] == "r1: mean over test episodes ± 95 % interval"
    assert "0.250 ± 0.050" in lines[2]
    assert lines[3] == f"r1 diverged: {REASON}"
    assert len(lines) == 5  # and the time


def test_a_run_with_nothing_to_test_says_why(tmp_path: Path, capsys: Output) -> None:
    lines = printed(Outcome([], PHASES, REASON), tmp_path, capsys).splitlines()
    assert lines == [
        f"r1 diverged: {REASON}",
        "No validation had a finite mean score, so there was nothing to test.",
        "Time: train 4.0 s, in all 4.0 s",
    ]


@pytest.mark.parametrize("diverged", [None, REASON])
def test_json_has_the_reason_or_null(tmp_path: Path, capsys: Output, diverged: str | None) -> None:
    outcome = Outcome([RESULT], PHASES, diverged)
    values = json.loads(printed(outcome, tmp_path, capsys, as_json=True))
    assert values["diverged"] == diverged
    assert values["results"][0]["score"] == 0.25


def test_a_run_that_was_stopped_prints_nothing(tmp_path: Path, capsys: Output) -> None:
    assert printed(None, tmp_path, capsys) == ""
