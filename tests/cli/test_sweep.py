"""``mlbench sweep``: what it lists, what it refuses, and a sweep from its beginning to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from tests.sweep.watching import wait_for

GRID = """
    title = "Three runs"
    [[grid]]
    algorithm = "maml"
    train = "sine"
    seeds = "0-1"
    train_tasks = 12
    validation_tasks = 4
    validate_every = 6
    test_tasks = 5
    set = { train_steps = 1 }
    [[grid]]
    algorithm = "reptile"
    train = "sine"
    budget = "smoke"
"""
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command line in an empty folder that holds ``mine.toml``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(GRID)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(main, arguments)


def test_the_bundled_sweeps_are_listed(call: Call) -> None:
    output = call("sweep", "--list").output
    for name in ("figure-3.2", "figure-3.3", "figure-3.4", "table-3.1", "table-3.4", "quick-tour"):
        assert name in output


def test_a_dry_run_tells_the_runs_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    result = call("sweep", "mine.toml", "--dry-run")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["runs", "seeds", "to", "do"]
    assert rows[1] == ["maml,", "sine,", "5-shot", "0-1", "2"]
    assert rows[2] == ["reptile,", "sine,", "5-shot", "0", "1"]
    assert "3 runs to do, in 2 processes" in result.stderr
    assert "nothing like them was run here yet" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("option", ["--dry-run", "--status"])
def test_why_runs_cannot_begin_is_told_before_they_are_tried(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "nothing"))
    result = call("sweep", "omniglot", "--where", "shots = 1 and seed < 2", option)
    assert result.exit_code == 0, result.output
    (told, *rest) = result.stderr.splitlines()
    assert told.startswith("18 runs cannot begin: omniglot is not packed in ")
    assert rest == (["Nothing else is left to do."] if option == "--dry-run" else [])


def test_programs_get_a_line_for_each_run(call: Call) -> None:
    result = call("sweep", "mine.toml", "--status", "--json", "--where", "algorithm = 'maml'")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["seed"], row["standing"], row["run_id"]) for row in rows] == [
        (0, "to do", None),
        (1, "to do", None),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Name a sweep or a file in TOML"),
        (("table-3.3",), "did you mean 'table-3."),
        (("mine.toml", "--where", "shots = 1"), "holds for no run of mine.toml"),
        (("mine.toml", "--where", "shot = 1"), "is no condition on runs"),
        (("mine.toml", "--gpus", "all"), "is not of the form 0,1"),
        (("mine.toml", "--jobs", "0"), "--jobs"),
        (("mine.toml", "--time-limit", "4"), "is not of the form 4h"),
        (("mine.toml", "--memory-limit", "lots"), "is not of the form 8G"),
        (("mine.toml", "--slurm", "time=1"), "--slurm is for --executor slurm"),
        (("mine.toml", "--device", "cdua"), "device 'cdua' cannot be used"),
        (("mine.toml", "--executor", "slurm", "--gpus", "0"), "are for this machine"),
        (("mine.toml", "--executor", "slurm", "--slurm", "time"), "KEY=VALUE"),
    ],
)
def test_misuse_is_told_in_one_line(call: Call, arguments: tuple[str, ...], told: str) -> None:
    result = call("sweep", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def sweep(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlbench", "sweep", "mine.toml", *arguments]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.slow
def test_a_sweep_is_done_and_done_again_does_nothing(call: Call, tmp_path: Path) -> None:
    out, err = (process := sweep(tmp_path)).communicate(timeout=200)
    assert process.returncode == 0, err
    assert "3 of 3 runs have their result." in err
    assert [line.split()[-1] for line in out.splitlines()] == ["done", "2", "1"]
    again = sweep(tmp_path, "--dry-run")
    _, err = again.communicate(timeout=100)
    assert again.returncode == 0
    assert "Nothing is left to do." in err
    finished = call("sql", "--csv", "select count(*) from runs where status = 'finished'")
    assert finished.stdout.split() == ["count_star()", "3"]
    command = call("sql", "select distinct command from runs").stdout
    assert "mlbench run maml --train sine" in command.replace("python -m mlbench", "mlbench")


@pytest.mark.slow
def test_failures_are_told_with_how_to_try_again(call: Call, tmp_path: Path) -> None:
    (tmp_path / "algorithms").mkdir()
    file = tmp_path / "algorithms" / "brittle.py"
    file.write_text(BRITTLE)
    (tmp_path / "mine.toml").write_text(GRID.replace("reptile", "brittle"))
    _, err = (process := sweep(tmp_path)).communicate(timeout=200)
    assert process.returncode == 1
    assert "2 of 3 runs have their result." in err
    assert "1 failed:" in err
    assert "ZeroDivisionError" in err
    assert "try again: mlbench run brittle --train sine --budget smoke" in err
    assert "mlbench sweep mine.toml --retry-failed" in err
    _, err = (process := sweep(tmp_path)).communicate(timeout=200)
    assert process.returncode == 1  # told, and not tried again
    assert len(list_journals(StorePaths(tmp_path / "runs.duckdb"))) == 3
    file.write_text(BRITTLE.replace("1 / 0", "1 / 1"))
    _, err = (process := sweep(tmp_path, "--retry-failed")).communicate(timeout=200)
    assert process.returncode == 0, err
    assert "3 of 3 runs have their result." in err


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    text = GRID.replace("train_tasks = 12", "train_tasks = 20000")
    (tmp_path / "mine.toml").write_text(
        text.replace("validate_every = 6", "validate_every = 10000")
    )
    process = sweep(tmp_path, "--where", "algorithm = 'maml'", "--compile", "off")
    paths = StorePaths(tmp_path / "runs.duckdb")
    wait_for(lambda: len(list_journals(paths)) == 2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "everything is saved. Go on with: mlbench sweep mine.toml" in err
    assert "failed" not in err
    again = sweep(tmp_path, "--where", "algorithm = 'maml'", "--status")
    out, _ = again.communicate(timeout=100)
    assert out.splitlines()[0].split()[-1] == "interrupted"


BRITTLE = """
from mlbench.inner import GradientBased, UpdateRule

class Rule(UpdateRule):
    def start(self, meta, theta): return None
    def step(self, meta, state, theta, gradient, loss, t): return theta * (1 / 0), None

class Brittle(GradientBased):
    "Breaks at its first step."
    name = "brittle"
    paper = "none"
    Rule = Rule
"""
