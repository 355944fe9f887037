"""``mlbench run`` and ``mlbench resume``: what they print, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.errors import CheckpointError
from mlbench.registry import load_dataset
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Event
from mlbench.run.progress import Progress
from mlbench.run.setup import Request, prepare
from mlbench.session.drive import Attempt
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs, results, sql

SMALL = (
    *("--queries", "6", "--train-tasks", "12", "--validation-tasks", "4"),
    *("--validate-every", "6", "--test-tasks", "5", "--set", "train_steps=1"),
)
SINE = ("run", "maml", "--train", "sine", *SMALL)
Call = Callable[..., Result]
CPU = Execution(device="cpu", threads=1, engine="auto")
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
WORKS = """
from mlbench.inner import GradientBased, UpdateRule

class Rule(UpdateRule):
    def start(self, meta, theta): return None
    def step(self, meta, state, theta, gradient, loss, t): return theta - 0.01 * gradient, None

class Mine(GradientBased):
    "Descends."
    name = "mine"
    paper = "none"
    Rule = Rule
"""
HOLD = """
import duckdb, sys
connection = duckdb.connect("runs.duckdb", read_only=sys.argv[1] == "True")
print("held", flush=True)
sys.stdin.read()
"""


class StopsAt:
    """Sends SIGTERM to its own process once a run has used some positions."""

    def __init__(self, position: int) -> None:
        self.position = position

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        if progress.position == self.position:
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None: ...


@pytest.fixture
def mlbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return call


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


def the_error(result: Result, code: int) -> str:
    """Return the one line of an error; narration may come before it."""
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.stderr.splitlines()[-1] == line
    assert "Traceback" not in result.stderr
    return line


def store() -> StorePaths:
    return StorePaths(Path("runs.duckdb"))


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


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_goes_on(mlbench: Call, tmp_path: Path) -> None:
    many = ("--train-tasks", "100000", "--validate-every", "1000", "--threads", "1")
    command = [sys.executable, "-m", "mlbench", *SINE, *many]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "task 1000:" in line:
                process.send_signal(signal.SIGINT)
                break
        narration = process.stderr.read()
        assert process.wait(30) == 130
    (row,) = list_runs(store()).iter_rows(named=True)
    assert row["status"] == "interrupted"
    assert f"Go on with: mlbench resume {row['run_id']}" in narration
    assert row["tasks_trained"] >= 1000
    assert "Stopping after this batch of tasks; Ctrl-C stops at once." in narration


def test_resume_goes_on_and_shows_the_result_once_finished(mlbench: Call) -> None:
    whole = json.loads(mlbench(*SINE, "--json").stdout)
    paths = store()
    stop = Attempt(prepare(SMALL_REQUEST), CPU, paths, "stopped")
    stop.drive(StopsAt(9))
    result = mlbench("resume", "--json")
    assert "going on at task" in result.stderr
    resumed = json.loads(result.stdout)
    assert resumed["run_id"] == "stopped"
    assert resumed["results"] == whole["results"]
    again = mlbench("resume", "stopped", "--json")
    assert "stopped is finished" in again.stderr
    assert json.loads(again.stdout)["results"][0] == pytest.approx(whole["results"][0])
    assert list_runs(paths)["attempts"].to_list() == [1, 2]


def test_an_edited_technique_is_told_of_and_never_mixed(mlbench: Call) -> None:
    Path("algorithms").mkdir()
    file = Path("algorithms", "mine.py")
    file.write_text(WORKS)
    mine = ("run", "mine", *SINE[2:])
    assert mlbench(*mine).exit_code == 0
    file.write_text(WORKS + "\n# another technique\n")
    sys.modules.pop("mlbench.plugins.algorithms.mine")
    result = mlbench(*mine)
    assert re.search(r"Changed since: .*mine\.py\. --again runs what is there", result.stderr)
    request = replace(SMALL_REQUEST, algorithm="mine", seed=1)
    Attempt(prepare(request), CPU, store(), "half").drive(StopsAt(9))
    file.write_text(WORKS)
    sys.modules.pop("mlbench.plugins.algorithms.mine")
    line = the_error(mlbench("resume", "half"), 1)
    assert re.search(r"mine\.py changed since half began", line)
    result = mlbench(*mine, "--seed", "1")
    assert re.search(r"Changed since: .*mine\.py\. It begins again", result.stderr)
    assert "going on at task" not in result.stderr
    assert result.exit_code == 0
    runs = {row["run_id"]: row for row in list_runs(store()).iter_rows(named=True)}
    assert runs["half"]["status"] == "finished"


def test_a_run_that_failed_for_want_of_room_goes_on(
    mlbench: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[int] = []
    save = checkpoint.save

    def full(path: Path, spec_hash: str, state: dict[str, Any]) -> None:
        saves.append(state["progress"]["tasks"])
        if len(saves) == 2:
            raise CheckpointError("no room")
        save(path, spec_hash, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        assert "no room" in the_error(mlbench(*SINE), 1)
    result = mlbench("resume")
    assert result.exit_code == 0, result.output
    assert "going on at task 0" in result.stderr
    frame = sql(store(), "SELECT count(*) AS n, count(DISTINCT position) AS d FROM episodes")
    assert frame.rows() == [(29, 29)]


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


def test_a_damaged_checkpoint_marks_the_run_failed_and_loses_nothing(mlbench: Call) -> None:
    paths = store()
    attempt = Attempt(prepare(SMALL_REQUEST), CPU, paths, "stopped")
    attempt.drive(StopsAt(9))
    episodes = sql(paths, "SELECT * FROM episodes ORDER BY position")
    attempt.checkpoint.write_bytes(attempt.checkpoint.read_bytes()[:-9])
    line = the_error(mlbench("resume", "stopped"), 1)
    assert re.search(r"checkpoint .* is damaged .*; delete it to begin that run again", line)
    (row,) = list_runs(paths).iter_rows(named=True)
    assert (row["status"], row["error"]) == ("failed", line.removeprefix("Error: "))
    assert sql(paths, "SELECT * FROM episodes ORDER BY position").equals(episodes)
    attempt.checkpoint.unlink()
    assert mlbench("resume", "stopped").exit_code == 0


def test_resume_needs_something_to_resume(mlbench: Call) -> None:
    assert "no run of runs.duckdb was interrupted or failed" in the_error(mlbench("resume"), 2)
    assert "no journal of a run 'x'" in the_error(mlbench("resume", "x"), 2)


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


def test_a_file_that_is_no_database_is_refused_before_training(mlbench: Call) -> None:
    Path("runs.duckdb").write_text("my notes\n" * 999)
    line = the_error(mlbench(*SINE), 1)
    assert "runs.duckdb" in line
    assert "task 0" not in line
    assert Path("runs.duckdb").read_text() == "my notes\n" * 999
    assert not Path("runs").exists()


def test_resume_refuses_a_file_that_is_no_database_before_the_work(mlbench: Call) -> None:
    paths = store()
    Attempt(prepare(SMALL_REQUEST), CPU, paths, "one").drive(StopsAt(9))
    paths.database.write_text("my notes\n" * 999)
    line = the_error(mlbench("resume", "one"), 1)
    assert "runs.duckdb" in line
    assert len(list_journals(paths)) == 1


def test_a_folder_that_does_not_exist_is_refused_before_training(mlbench: Call) -> None:
    line = the_error(mlbench(*SINE, "--db", "no/such/place.duckdb"), 1)
    assert "the folder no/such" in line


def test_a_database_held_by_a_shell_stops_no_run(mlbench: Call) -> None:
    assert mlbench(*SINE).exit_code == 0
    with held(read_only=False) as pid:
        result = mlbench(*SINE, "--seed", "1")
        assert result.exit_code == 0, result.output
        assert re.search(r"^sine +\d+\.\d{3}", result.stdout, re.MULTILINE)
        assert re.search(rf"episodes wait in .*PID {pid}", result.stderr)
    assert list_runs(store())["status"].to_list() == ["finished", "finished"]


def test_a_checkpoint_of_another_spec_is_refused(mlbench: Call) -> None:
    paths = store()
    for name, seed in (("one", 1), ("two", 2)):
        Attempt(prepare(replace(SMALL_REQUEST, seed=seed)), CPU, paths, name).drive(StopsAt(9))
    paths.checkpoint("one").write_bytes(paths.checkpoint("two").read_bytes())
    line = the_error(mlbench("resume", "one"), 1)
    assert re.search(r"checkpoint .* is of another run .*; delete it", line)


def test_data_that_changed_since_stop_a_resume_and_are_named(
    mlbench: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = store()
    Attempt(prepare(SMALL_REQUEST), CPU, paths, "one").drive(StopsAt(9))
    monkeypatch.setattr(load_dataset("sine"), "fingerprint", "another")
    line = the_error(mlbench("resume", "one"), 1)
    assert re.search(r"sine has changed since the run began .*; bring the old data back", line)
    (row,) = list_runs(paths).iter_rows(named=True)
    assert (row["status"], row["error"]) == ("failed", line.removeprefix("Error: "))


def test_the_runs_own_database_is_one_that_any_shell_opens(mlbench: Call) -> None:
    mlbench(*SINE)
    with duckdb.connect("runs.duckdb", read_only=True) as connection:
        found = connection.sql("SELECT status FROM runs").fetchall()
    assert found == [("finished",)]
