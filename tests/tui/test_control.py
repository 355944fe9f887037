"""Processes of the dashboard's: started, told of, stopped, gone on with, and refused."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from mlbench.errors import StoreError
from mlbench.session.process import ControlError, Launch
from mlbench.store.journal import journals_of
from mlbench.store.lines import from_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Validated
from mlbench.store.snapshot import RunRow
from mlbench.store.states import last_status
from mlbench.tui import control

LONG = (
    *("maml", "--train", "sine", "--threads", "1"),
    *("--train-tasks", "100000", "--validation-tasks", "2"),
)
ROW = RunRow(
    run_id="maml-sine-1",
    algorithm="maml",
    train_dataset="sine",
    eval_datasets=(),
    kind="regression",
    ways=None,
    shots=5,
    queries=50,
    seed=0,
    protocol="corrected",
    budget="quick",
    status="running",
    error=None,
    started=datetime(2026, 11, 20),  # noqa: DTZ001  the store has no time zones
    ended=None,
    attempts=1,
    train_tasks=100,
    tasks_trained=50,
    phase="train",
    phase_dataset="sine",
    phase_done=50,
    phase_tasks=100,
    done=0.5,
    tasks_per_second=10.0,
    seconds_left=5.0,
    validation=None,
    best=None,
    score=None,
    host=socket.gethostname(),
    pid=4_194_305,
)


def until(true: Callable[[], bool], what: str, seconds: float = 60.0, every: float = 0.02) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s until {what}"
        time.sleep(every)


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture
def launched(paths: StorePaths) -> Iterator[list[Launch]]:
    """Collects what a test starts, to be killed if the test fails."""
    launches: list[Launch] = []
    yield launches
    for launch in launches:
        if launch.poll() is None:
            os.kill(launch.pid, signal.SIGKILL)
            os.waitpid(launch.pid, 0)


def open_descriptors() -> set[int]:
    """Return the descriptors of this process that are open."""
    found = set()
    for descriptor in range(256):
        with suppress(OSError):
            os.fstat(descriptor)
            found.add(descriptor)
    return found


def validations(paths: StorePaths, run_id: str, attempt: int) -> int:
    journal = journals_of(paths, run_id)[attempt - 1]
    return sum(isinstance(from_line(line), Validated) for _, line in journal.lines(0))


@pytest.mark.slow  # test_terminal stops a run and goes on with it, too
def test_a_run_is_started_in_a_session_of_its_own_stopped_and_gone_on_with(
    paths: StorePaths, launched: list[Launch]
) -> None:
    launch = control.start(paths, LONG)
    launched.append(launch)
    assert os.getsid(launch.pid) == launch.pid != os.getsid(0)
    until(lambda: launch.run_id(paths) is not None, "it started")
    run_id = launch.run_id(paths)
    assert run_id is not None
    until(lambda: validations(paths, run_id, 1) > 0, "it validated")
    assert launch.poll() is None

    row = replace(ROW, run_id=run_id, pid=launch.pid)
    with pytest.raises(ControlError, match="is running already"):
        control.refuse_resuming(paths, row)
    assert control.stop(paths, row) == launch.pid
    with suppress(ControlError):  # it may be too late for that
        control.stop(paths, row)  # pressed twice: no harm
    until(lambda: launch.poll() is not None, "it stopped")
    assert launch.exit_code == 143
    state = last_status(paths, run_id)
    assert state is not None
    assert state.status == "interrupted"
    assert "everything is saved" in launch.log.read_text(encoding="utf-8")
    with pytest.raises(ControlError, match=f"{run_id} is not running; c goes on with it"):
        control.stop(paths, row)

    again = control.resume(paths, run_id)
    launched.append(again)
    until(lambda: again.run_id(paths) == run_id, "it goes on")
    second = journals_of(paths, run_id)[1].first()
    assert second is not None
    assert second.position > 0
    control.stop(paths, row)
    until(lambda: again.poll() is not None, "it stopped again")
    assert again.exit_code == 143
    with pytest.raises(ChildProcessError):  # both were waited for
        os.waitpid(again.pid, os.WNOHANG)


def test_what_the_process_said_is_told_when_it_ends_without_a_run(
    paths: StorePaths, launched: list[Launch]
) -> None:
    launch = control.start(paths, ("mamml", "--train", "sine"))
    launched.append(launch)
    until(lambda: launch.poll() is not None, "it ended")
    assert launch.exit_code == 2
    assert launch.last_words().startswith("there is no algorithm 'mamml'; did you mean 'maml'?")
    assert launch.run_id(paths) is None
    assert launch.log.name.endswith(f"-{launch.pid}.log")
    assert launch.log.parent == paths.folder / "logs"


def test_no_descriptor_is_left_open(paths: StorePaths, launched: list[Launch]) -> None:
    before = open_descriptors()
    launched.append(control.start(paths, ("--help",)))
    assert open_descriptors() == before


def test_a_run_is_not_started_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere of runs.duckdb does not exist"):
        control.start(StorePaths(tmp_path / "nowhere" / "runs.duckdb"), LONG)


def test_a_launch_ignores_journals_of_other_processes(paths: StorePaths) -> None:
    launch = Launch(("run",), os.getpid(), paths.folder / "log", time.time())
    paths.make(paths.journals)
    paths.journal("other", 1).write_bytes(b"")
    assert launch.run_id(paths) is None


def test_the_last_error_is_told_before_anything_else(paths: StorePaths, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\nError: the reason; the remedy\nNext: more\n\n", encoding="utf-8")
    launch = Launch(("run",), 0, log, 0.0)
    assert launch.last_words() == "the reason; the remedy"
    assert launch.first_words() == "one"
    log.write_text("", encoding="utf-8")
    assert launch.last_words() == f"it said nothing in {log}"
    log.unlink()
    assert launch.last_words() == f"{log} cannot be read: No such file or directory"


def test_a_pid_in_a_file_counts_only_while_its_lock_is_held(paths: StorePaths) -> None:
    paths.make(paths.locks)
    paths.run_lock(ROW.run_id).write_text(f"{os.getpid()}\n", encoding="ascii")
    with pytest.raises(ControlError, match="maml-sine-1 is not running; c goes on with it"):
        control.stop(paths, ROW)
    with RunLock(paths, ROW.run_id):
        assert control.holder(paths, ROW) == os.getpid()


def test_runs_that_one_program_computes_are_counted(paths: StorePaths) -> None:
    with RunLock(paths, ROW.run_id):
        assert control.companions(paths, ROW) == 0
        paths.run_lock("dead").write_text(f"{os.getpid()}\n", encoding="ascii")
        with RunLock(paths, "maml-sine-2"), RunLock(paths, "maml-sine-3"):
            assert control.companions(paths, ROW) == 2


def test_a_run_on_another_machine_is_not_stopped_from_here(paths: StorePaths) -> None:
    with RunLock(paths, ROW.run_id), pytest.raises(ControlError) as refusal:
        control.stop(paths, replace(ROW, host="elsewhere"))
    assert "runs on elsewhere" in str(refusal.value)
    assert f"kill {os.getpid()}" in str(refusal.value)


@pytest.mark.parametrize("content", ["", "many\n", "0\n", "1\n", "-1\n"])
def test_a_lock_that_names_no_process_stops_none(paths: StorePaths, content: str) -> None:
    with RunLock(paths, ROW.run_id):
        paths.run_lock(ROW.run_id).write_text(content, encoding="ascii")
        with pytest.raises(ControlError, match="does not say as which process"):
            control.stop(paths, ROW)


@pytest.mark.parametrize(
    ("raised", "told"),
    [(PermissionError, "of another user"), (ProcessLookupError, "just ended")],
)
def test_a_process_that_is_not_ours_or_gone_is_told(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch, raised: type[OSError], told: str
) -> None:
    def kill(pid: int, number: int) -> None:
        raise raised

    with RunLock(paths, ROW.run_id):
        monkeypatch.setattr(os, "kill", kill)
        with pytest.raises(ControlError, match=told):
            control.stop(paths, ROW)
        monkeypatch.undo()


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_run_with_its_result_is_not_gone_on_with(paths: StorePaths, status: str) -> None:
    with pytest.raises(ControlError, match=f"has its result: it {status}"):
        control.refuse_resuming(paths, replace(ROW, status=status))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_run_that_is_dead_without_one_is(paths: StorePaths, status: str) -> None:
    control.refuse_resuming(paths, replace(ROW, status=status))  # type: ignore[arg-type]
