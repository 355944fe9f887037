"""``mlbench resume``: what goes on, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlbench.errors import CheckpointError
from mlbench.registry import load_dataset
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Event
from mlbench.run.progress import Progress
from mlbench.run.setup import prepare
from mlbench.session.drive import Attempt
from mlbench.store.journal import list_journals
from mlbench.store.queries import list_runs
from mlbench.store.user_sql import sql
from tests.cli.small_runs import SINE, SMALL_REQUEST, Call, store, the_error

CPU = Execution(device="cpu", threads=1, engine="auto")

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


class StopsAt:
    """Sends SIGTERM to its own process once a run has used some positions."""

    def __init__(self, position: int) -> None:
        self.position = position

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        if progress.position == self.position:
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None: ...


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_goes_on(mlbench: Call, tmp_path: Path) -> None:
    many = ("--train-tasks", "100000", "--validate-every", "1000", "--compile", "off")
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


def test_resume_refuses_a_file_that_is_no_database_before_the_work(mlbench: Call) -> None:
    paths = store()
    Attempt(prepare(SMALL_REQUEST), CPU, paths, "one").drive(StopsAt(9))
    paths.database.write_text("my notes\n" * 999)
    line = the_error(mlbench("resume", "one"), 1)
    assert "runs.duckdb" in line
    assert len(list_journals(paths)) == 1


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
