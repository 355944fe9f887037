"""What a job of Slurm does: it starts ``mlbench``, and stops it in time to be gone on with.

Slurm says that a job has to leave by a signal: USR2 some time before its limit, or TERM when it
is preempted with a period of grace. ``mlbench`` is told to stop, which saves its state; the job
goes back to the queue; and the same command line goes on from there, whenever and wherever it is
started again. How a run ended is said by its journal. What is kept here is the exit code, as the
name of an empty file, so that a job that died without a word is told from one that ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

SAVED = 128 + signal.SIGTERM
"""Exit code of a run that was told to stop, and saved its state."""

FRUITLESS = 5  # a job that is stopped so often in a row before it could save anything gives up
POLL = 0.1  # seconds between two looks at a process that is to end
PREEMPTION = signal.SIGUSR2


class SlurmTask:
    """One job; submitit keeps it in a file, calls it, and asks it to stop.

    Args:
        arguments: What follows ``mlbench``.
        mark: Path that the exit code is noted at: as ``MARK.exit-0``.
        patience: Seconds that a run has to save its state.
        fruitless: How often in a row it was stopped before it could.
    """

    def __init__(
        self, arguments: Sequence[str], mark: str, patience: float, fruitless: int = 0
    ) -> None:
        self.arguments = tuple(arguments)
        self.mark = mark
        self.patience = patience
        self.fruitless = fruitless
        self.child: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Run to the end; exit as the run does."""
        mark = Path(self.mark)
        for old in mark.parent.glob(f"{mark.name}.exit-*"):
            old.unlink(missing_ok=True)  # of an attempt that was requeued
        command = [sys.executable, "-P", "-m", "mlbench", *self.arguments]
        # Slurm signals the run too; blocked here, USR2 is blocked there, where it would kill
        signal.pthread_sigmask(signal.SIG_BLOCK, {PREEMPTION})
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603
        signal.signal(signal.SIGTERM, self.terminate)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {PREEMPTION})
        code = ending(self.child.pid)
        if code:
            self.leave(code)
        self.note(0)

    def checkpoint(self) -> DelayedSubmission:
        """Stop the run and return what goes on with it; leave if that would get nowhere."""
        from submitit.helpers import DelayedSubmission

        code = self.stop()
        fruitless = 0 if code == SAVED else self.fruitless + 1
        if fruitless >= FRUITLESS:
            say(
                f"it was stopped {fruitless} times in a row before it could save anything; give it"
                " more time: --slurm time=..."
            )
            self.leave(1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm sends it to what is requeued
        return DelayedSubmission(SlurmTask(self.arguments, self.mark, self.patience, fruitless))

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Stop the run; go back to the queue unless Slurm ends or requeues the job itself."""
        code = self.stop()
        requeue = signal.getsignal(PREEMPTION)  # submitit's, which asks for a checkpoint
        if callable(requeue) and still_running():
            requeue(PREEMPTION, frame)  # preempted: what ends in its period of grace has ended
        self.leave(code)

    def stop(self) -> int:
        """Make the run save its state and end, and return how it did; leave if it had ended."""
        if self.child is None:
            return -signal.SIGTERM
        code = ending(self.child.pid, 0.0)
        if code is None:
            os.kill(self.child.pid, signal.SIGTERM)
            code = ending(self.child.pid, self.patience)
        if code is None:
            say(f"the run has not stopped within {self.patience:.0f} s, and is killed")
            os.kill(self.child.pid, signal.SIGKILL)
            code = ending(self.child.pid)
        elif code not in {SAVED, -signal.SIGTERM, -signal.SIGKILL}:
            self.leave(code)  # by itself, just then
        return -signal.SIGKILL if code is None else code

    def leave(self, code: int) -> NoReturn:
        """Note how the run ended, and exit as it did."""
        if code == -signal.SIGKILL:
            say("the run was killed, most likely for its memory; ask for more: --slurm mem=...")
        elif code < 0 and code != -signal.SIGTERM:
            say(f"the run died of {signal.Signals(-code).name}")
        code = code if code >= 0 else 128 - code
        self.note(code)
        raise SystemExit(code)

    def note(self, code: int) -> None:
        """Leave an exit code behind."""
        Path(f"{self.mark}.exit-{code}").touch()


def ending(pid: int, patience: float | None = None) -> int | None:
    """Return how a child ended: its exit code, or minus the signal that killed it.

    The child is looked at and not reaped: its number stays its own, and a signal that brings us
    here while we are here already does no harm.

    Args:
        pid: Of the child.
        patience: Seconds to wait for its end, after which ``None`` is returned.
    """
    options = os.WEXITED | os.WNOWAIT | (0 if patience is None else os.WNOHANG)
    deadline = time.monotonic() + (patience or 0.0)
    while (found := os.waitid(os.P_PID, pid, options)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL)
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def still_running() -> bool:
    """Return whether Slurm holds this job for one that is to go on."""
    command = ["squeue", "--noheader", "--format=%T", "--jobs", os.environ["SLURM_JOB_ID"]]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"whether the job is preempted cannot be found out: {error}")
        return False
    return done.stdout.strip() == "RUNNING"


def say(text: str) -> None:
    """Write a line into the log of the job."""
    sys.stderr.write(f"mlbench: {text}\n")
    sys.stderr.flush()
