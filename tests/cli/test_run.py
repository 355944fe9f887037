"""``mlbench run``: what it prints and keeps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pytest

from mlbench.store.queries import list_runs
from mlbench.store.user_sql import sql
from tests.cli.small_runs import SINE, Call, store, the_error

HOLD = """
import duckdb, sys
connection = duckdb.connect("runs.duckdb", read_only=sys.argv[1] == "True")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(*, read_only: bool) -> Iterator[int]:
    """Hold the database as an SQL shell would; give the shell's PID."""
    command = [sys.executable, "-c", HOLD, str(read_only)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        yield shell.pid
        shell.communicate()


def test_a_run_prints_its_result_and_what_to_type_next(mlbench: Call) -> None:
    result = mlbench(*SINE)
    assert result.exit_code == 0
    assert re.search(r"^sine +\d+\.\d{3} ± \d+\.\d{3} +5 +\d+\.\d", result.stdout, re.MULTILINE)
    assert re.search(r"^Time: validation .* s, train .* s, test .* s", result.stdout, re.MULTILINE)
    assert "Next: mlbench table" in result.stderr
    assert "task 12: validation MSE" in result.stderr
    frame = sql(store(), "SELECT phase, count(*) AS n FROM episodes GROUP BY ALL ORDER BY ALL")
    assert frame.rows() == [("test", 5), ("train", 12), ("validation", 12)]


def test_json_is_all_of_stdout_and_agrees_with_the_database(mlbench: Call) -> None:
    found = json.loads(mlbench(*SINE, "--json").stdout)
    (row,) = sql(store(), "SELECT score, loss, episodes FROM results").iter_rows(named=True)
    (result,) = found["results"]
    assert {name: result[name] for name in row} == pytest.approx(row)
    assert found["spec"]["hyperparameters"]["train_steps"] == 1
    again = json.loads(mlbench(*SINE, "--json").stdout)
    assert again["results"][0] == pytest.approx(result)
    assert [phase["phase"] for phase in again["phases"]] == ["train", "validation", "test"]


def test_a_finished_spec_is_shown_and_not_run_again_unless_told_to(mlbench: Call) -> None:
    first = mlbench(*SINE)
    second = mlbench(*SINE)
    assert "is finished; --again runs it once more" in second.stderr
    assert second.stdout.splitlines()[0] == first.stdout.splitlines()[0]
    assert list_runs(store()).height == 1
    third = mlbench(*SINE, "--again")
    assert third.exit_code == 0
    names = list_runs(store())["run_id"].to_list()
    assert names == [names[0], f"{names[0]}-2"]


def test_seeds_are_runs_of_their_own(mlbench: Call) -> None:
    result = mlbench(*SINE, "--seeds", "0-1,5", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["spec"]["seed"] for each in found] == [0, 1, 5]
    assert len({each["results"][0]["score"] for each in found}) == 3


def test_images_are_tested_in_their_own_domain_and_in_others(mlbench: Call) -> None:
    tiny = ("--set", "learner.channels=4", "--ways", "3", "--shots", "1", "--queries", "2")
    budget = (
        *("--train-tasks", "4", "--validation-tasks", "2"),
        *("--validate-every", "4", "--test-tasks", "3"),
    )
    over = ("--train", "shapes", "--eval", "glyphs", "--threads", "1")
    result = mlbench("run", "fo_turtle", *over, *tiny, *budget)
    assert result.exit_code == 0, result.output
    frame = sql(store(), "SELECT eval_dataset, episodes FROM results ORDER BY 1 DESC")
    assert frame.rows() == [("shapes", 3), ("glyphs", 3)]
    assert re.search(r"^glyphs +\d+\.\d ± \d+\.\d %", result.stdout, re.MULTILINE)


@pytest.mark.slow
def test_twenty_ways_and_twenty_shots_run(mlbench: Call) -> None:
    many = ("--ways", "20", "--shots", "20", "--queries", "2", "--threads", "1")
    small = [f"shapes.{name}" for name in ("image_size=16", "validation_classes=20")]
    settings = [word for each in (*small, "learner.channels=2") for word in ("--set", each)]
    budget = (
        *("--train-tasks", "2", "--validation-tasks", "1"),
        *("--validate-every", "2", "--test-tasks", "2"),
    )
    for algorithm in ("fo_maml", "protonet"):
        result = mlbench("run", algorithm, "--train", "shapes", *many, *settings, *budget)
        assert result.exit_code == 0, result.output
    frame = sql(store(), "SELECT ways, shots, episodes FROM results")
    assert frame.rows() == [(20, 20, 2)] * 2


@pytest.mark.slow
def test_a_terminal_that_closes_stops_no_run(mlbench: Call) -> None:
    command = f"{sys.executable} -m mlbench {' '.join(SINE)} 2>&1 >/dev/null | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("maml-sine-")
    assert list_runs(store())["status"].to_list() == ["finished"]


@pytest.mark.slow
def test_a_result_that_waits_in_the_journals_is_told(mlbench: Call) -> None:
    assert mlbench(*SINE).exit_code == 0
    with held(read_only=True) as pid:
        assert mlbench(*SINE, "--seed", "1").exit_code == 0
        line = the_error(mlbench(*SINE, "--seed", "1"), 1)
        assert re.search(rf"is finished, but its episodes wait in journals: .*{pid}", line)
    assert mlbench(*SINE, "--seed", "1").exit_code == 0


def test_a_database_held_by_a_shell_stops_no_run(mlbench: Call) -> None:
    assert mlbench(*SINE).exit_code == 0
    with held(read_only=False) as pid:
        result = mlbench(*SINE, "--seed", "1")
        assert result.exit_code == 0, result.output
        assert re.search(r"^sine +\d+\.\d{3}", result.stdout, re.MULTILINE)
        assert re.search(rf"episodes wait in .*PID {pid}", result.stderr)
    assert list_runs(store())["status"].to_list() == ["finished", "finished"]


def test_the_runs_own_database_is_one_that_any_shell_opens(mlbench: Call) -> None:
    mlbench(*SINE)
    with duckdb.connect("runs.duckdb", read_only=True) as connection:
        found = connection.sql("SELECT status FROM runs").fetchall()
    assert found == [("finished",)]
