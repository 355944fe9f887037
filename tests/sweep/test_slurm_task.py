"""One job of Slurm: it ends as its run does, and is stopped so that it can be gone on with.

A child plays the job, and its child, a shell script, the run; the test plays Slurm.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlbench.sweep.slurm_task import FRUITLESS

pytest.importorskip("submitit", reason="submitit is not installed (mlbench[slurm])")

RUN = """#!/bin/bash
# called as: run -P -m mlbench HOW ...
case $4 in
    exit) exit "$5" ;;
    die) kill -KILL $$ ;;
    save) trap 'echo saved; exit 143' TERM ;;
    finish) trap 'exit 0' TERM ;;
    hang) trap '' TERM ;;
    unready) ;;
esac
echo $$ >pid
mv pid up
while :; do sleep 0.02; done
"""
JOB = """
import signal, sys
from mlbench.sweep.slurm_task import SlurmTask

def requeue(number, frame):  # as submitit does
    again = task.checkpoint()
    print("again after", again.function.fruitless, flush=True)
    sys.exit(255)

signal.signal(signal.SIGUSR2, requeue)
sys.executable = sys.argv[1]
task = SlurmTask(sys.argv[4:], "0", float(sys.argv[2]), int(sys.argv[3]))
task()
"""
SQUEUE = '#!/bin/sh\ntest "$4" = "7" || exit 1\ncat state\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("run", RUN), ("squeue", SQUEUE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return tmp_path


@contextmanager
def played(
    *how: str, patience: float = 60.0, fruitless: int = 0
) -> Iterator[subprocess.Popen[str]]:
    run = str(Path("run").absolute())
    command = [sys.executable, "-c", JOB, run, str(patience), str(fruitless), *how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        yield process


def signalled(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    """Signal a job whose run is under way; return its exit code and what it said."""
    while not Path("up").exists() or not has(process.pid, "SigCgt", signal.SIGTERM):
        time.sleep(0.01)
    process.send_signal(number)
    said, complained = process.communicate(timeout=60)
    return process.returncode, said, complained


def has(pid: int, field: str, number: int) -> bool:
    """Return whether a signal is among those that a process catches, or blocks."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in status if line.startswith(field))
    return bool(int(mask, 16) >> (number - 1) & 1)


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.exit-*"))


@pytest.mark.parametrize("code", [0, 1, 2, 143])
def test_a_job_ends_as_its_run_does(folder: Path, code: int) -> None:
    (folder / "0.exit-9").touch()  # of an earlier attempt
    with played("exit", str(code)) as process:
        assert process.wait(timeout=60) == code
    assert marks(folder) == [f"0.exit-{code}"]


def test_a_run_that_is_killed_is_told_with_what_to_do(folder: Path) -> None:
    with played("die") as process:
        _, complained = process.communicate(timeout=60)
    assert process.returncode == 137
    assert marks(folder) == ["0.exit-137"]
    assert "killed, most likely for its memory; ask for more: --slurm mem=..." in complained


def test_a_run_saves_its_state_before_its_job_goes_back_to_the_queue(folder: Path) -> None:
    with played("save", fruitless=3) as process:
        code, said, _ = signalled(process, signal.SIGUSR2)
    assert (code, said) == (255, "saved\nagain after 0\n")
    assert marks(folder) == []


def test_a_run_that_does_not_stop_is_killed_in_time_to_go_back(folder: Path) -> None:
    with played("hang", patience=0.1) as process:
        code, said, complained = signalled(process, signal.SIGUSR2)
    assert (code, said) == (255, "again after 1\n")
    assert "the run has not stopped within 0 s, and is killed" in complained


def test_a_run_that_is_stopped_before_it_could_save_anything_is_tried_again(folder: Path) -> None:
    with played("unready", fruitless=1) as process:
        code, said, _ = signalled(process, signal.SIGUSR2)
    assert (code, said) == (255, "again after 2\n")


def test_a_run_that_never_gets_to_save_anything_is_given_up(folder: Path) -> None:
    with played("unready", fruitless=FRUITLESS - 1) as process:
        code, said, complained = signalled(process, signal.SIGUSR2)
    assert (code, said) == (1, "")
    assert f"it was stopped {FRUITLESS} times in a row before it could save" in complained
    assert marks(folder) == ["0.exit-1"]


def test_a_run_that_ends_when_it_is_to_stop_has_ended(folder: Path) -> None:
    with played("finish") as process:
        code, said, _ = signalled(process, signal.SIGUSR2)
    assert (code, said) == (0, "")
    assert marks(folder) == ["0.exit-0"]


def test_who_is_preempted_with_a_period_of_grace_goes_back_to_the_queue(folder: Path) -> None:
    (folder / "state").write_text("RUNNING\n")
    with played("save") as process:
        code, said, _ = signalled(process, signal.SIGTERM)
    assert (code, said) == (255, "saved\nagain after 0\n")


def test_what_slurm_ends_or_requeues_itself_does_not_go_back(folder: Path) -> None:
    (folder / "state").write_text("COMPLETING\n")
    with played("save") as process:
        code, said, _ = signalled(process, signal.SIGTERM)
    assert (code, said) == (143, "saved\n")
    assert marks(folder) == ["0.exit-143"]


def test_slurms_signal_to_the_whole_job_does_not_kill_the_run(folder: Path) -> None:
    with played("save") as process:
        while not Path("up").exists():
            time.sleep(0.01)
        run = int(Path("up").read_text())
        blocked = has(run, "SigBlk", signal.SIGUSR2)
        process.kill()
        os.kill(run, signal.SIGKILL)
    assert blocked
