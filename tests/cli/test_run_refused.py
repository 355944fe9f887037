"""What ``mlbench run`` refuses before any work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.small_runs import SINE, Call, the_error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--queries", "16,8"), "every class of an episode has as many; give one number"),
        (("--shots", "5/1"), "every class of an episode has as many; give one number"),
        (("--queries", "0"), "'0' is no whole number of 1 or more"),
        (("--ways", "21"), "shapes has 16 validation classes, not 21; lower --ways to 16 or less"),
        (("--shots", "45"), "need 61 images a class, but train class"),
    ],
)
def test_tasks_that_the_data_cannot_give_are_refused_in_one_line(
    words: tuple[str, ...], message: str, mlbench: Call
) -> None:
    result = mlbench("run", "fo_maml", "--train", "shapes", *words)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "mamml", "--train", "sine"), r"no algorithm 'mamml'; did you mean 'maml'"),
        (("run", "maml", "--train", "sin"), r"no dataset 'sin'; did you mean 'sine'"),
        ((*SINE, "--set", "inner=1"), r"no hyperparameter 'inner'; .*inner_lr"),
        ((*SINE, "--set", "inner_lr=fast"), r"inner_lr"),
        ((*SINE, "--set", "inner_lr=-1"), r"inner_lr.*above 0"),
        ((*SINE, "--set", "order=3"), r"order.*1.*2"),
        ((*SINE, "--set", "inner_lr"), r"'inner_lr' is not of the form NAME=VALUE"),
        ((*SINE, "--set", "shapes.seed=1"), r"'shapes' is neither 'learner' nor 'protocol' nor"),
        ((*SINE, "--set", "learner.width=1"), r"learner has no .*'width'"),
        ((*SINE, "--ways", "5"), r"sine is regression and has no classes; leave --ways out"),
        ((*SINE, "--eval", "shapes"), r"sine is regression and shapes is classification"),
        ((*SINE, "--shots", "0"), r"--shots.*0"),
        ((*SINE, "--seed", "1", "--seeds", "0-2"), r"--seed and --seeds exclude each other"),
        ((*SINE, "--seeds", "4-2"), r"'4-2' runs backwards"),
        ((*SINE, "--device", "cuda:7"), r"device 'cuda:7' cannot be used: .*; --device cpu"),
        ((*SINE, "--device", "gpu"), r"device 'gpu' cannot be used"),
        ((*SINE, "--budgt", "quick"), r"--budgt.*--budget"),
        ((*SINE, "--set", "order=1", "--set", "order=2"), r"--set order is given twice"),
        ((*SINE, "--device", "meta"), r"device 'meta' cannot be used"),
        (("run", "maml", "--train", "shapes", "--ways", "1"), r"--ways.*1"),
        (
            ("run", "maml", "--train", "shapes", "--ways", "99"),
            r"has 64 train classes, not 99; lower",
        ),
        (("run", "maml", "--train", "shapes", "--shots", "99"), r"need 115 images a class, but"),
        (
            ("run", "maml", "--train", "shapes", "--set", "shapes.image_size=8"),
            r"images of 8x8 vanish in the pools",
        ),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    mlbench: Call, arguments: tuple[str, ...], message: str
) -> None:
    assert re.search(message, the_error(mlbench(*arguments), 2))
    assert not Path("runs.duckdb").exists()


def test_absent_data_come_with_the_command_that_brings_them(mlbench: Call) -> None:
    line = the_error(mlbench("run", "maml", "--train", "mini"), 1)
    assert "mini is not packed" in line
    assert "mlbench data add mini PATH" in line


def test_a_file_that_is_no_database_is_refused_before_training(mlbench: Call) -> None:
    Path("runs.duckdb").write_text("my notes\n" * 999)
    line = the_error(mlbench(*SINE), 1)
    assert "runs.duckdb" in line
    assert "task 0" not in line
    assert Path("runs.duckdb").read_text() == "my notes\n" * 999
    assert not Path("runs").exists()


def test_a_folder_that_does_not_exist_is_refused_before_training(mlbench: Call) -> None:
    line = the_error(mlbench(*SINE, "--db", "no/such/place.duckdb"), 1)
    assert "the folder no/such" in line
