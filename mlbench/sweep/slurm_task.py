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

STOPPED = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP})
"""Exit codes of a run that saved its state when it was told to stop."""

FRUITLESS = 5  # a job that is stopped so often in a row before it could save anything gives up
POLL = 0.1  # seconds between two looks at a process that is to end


class SlurmTask:
    """One job; submitit keeps it in a file, calls it, and asks it to stop.

    Args:
        arguments: What follows ``mlbench``.
        mark: Path whose suffix becomes the exit code: ``MARK.exit-0``.
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
        for old in Path(self.mark).parent.glob(f"{Path(self.mark).name}.exit-*"):
            old.unlink(missing_ok=True)  # of an attempt that was requeued
        command = [sys.executable, "-P", "-m", "mlbench", *self.arguments]
        # Slurm signals the run too: it is not to die of USR2, and takes TERM as a wish to stop
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603
        signal.signal(signal.SIGTERM, self.terminate)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGUSR2})
        code = self.wait()
        if code:
            self.leave(code)
        self.note(code)

    def wait(self, patience: float | None = None) -> int:
        """Return the exit code of the run, 128 plus the signal if it died of one.

        It is looked at, not reaped: a signal may bring us here while we are here already.

        Raises:
            TimeoutError: It goes on for longer than we wait.
        """
        if self.child is None:
            return 128 + signal.SIGKILL
        deadline = None if patience is None else time.monotonic() + patience
        options = os.WEXITED | os.WNOWAIT | (0 if deadline is None else os.WNOHANG)
        while (found := os.waitid(os.P_PID, self.child.pid, options)) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(POLL)
        killed = found.si_code != os.CLD_EXITED
        return found.si_status + (128 if killed else 0)

    def stop(self) -> int:
        """Make the run save its state and end; return its exit code."""
        if self.child is not None:
            os.kill(self.child.pid, signal.SIGTERM)  # not reaped yet, so the number is still its
        try:
            return self.wait(self.patience)
        except TimeoutError:
            say(f"it has not stopped within {self.patience:.0f} s, and is killed")
            os.kill(self.child.pid, signal.SIGKILL) if self.child else None
            return self.wait()

    def checkpoint(self) -> DelayedSubmission | None:
        """Stop the run and return how it goes on; ``None`` if it would get nowhere."""
        from submitit.helpers import DelayedSubmission

        code = self.stop()
        if self.child is not None and code not in {*STOPPED, 128 + signal.SIGKILL}:
            self.leave(code)  # it ended by itself, just then
        saved = self.saved(code)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm ends what is requeued
        fruitless = 0 if saved else self.fruitless + 1
        if fruitless >= FRUITLESS:
            say(
                f"it was stopped {fruitless} times in a row before it could save anything; give"
                " it more time with --slurm time=..."
            )
            self.note(1)
            return None
        return DelayedSubmission(SlurmTask(self.arguments, self.mark, self.patience, fruitless))

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Stop the run; go back to the queue unless Slurm ends or requeues the job itself."""
        code = self.stop()
        if still_running():  # preempted, with a period of grace: who exits in it is not requeued
            requeue = signal.getsignal(signal.SIGUSR2)
            if callable(requeue):
                requeue(signal.SIGUSR2, None)
        self.leave(code)

    def leave(self, code: int) -> NoReturn:
        """Note an exit code and exit with it."""
        if code == 128 + signal.SIGKILL:
            say(
                "the run was killed by SIGKILL, most likely for its memory; ask for more with"
                " --slurm mem=..."
            )
        elif code > 128 and code not in STOPPED:
            say(f"the run died of {signal.Signals(code - 128).name}")
        self.note(code)
        raise SystemExit(code)

    def note(self, code: int) -> None:
        """Leave an exit code behind."""
        Path(f"{self.mark}.exit-{code}").touch()
