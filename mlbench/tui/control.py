"""Starting, stopping and going on with runs: each is a process of its own, that outlives us."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from mlbench.session.process import ControlError, Launch, spawn
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE
from mlbench.store.snapshot import RunRow


def start(paths: StorePaths, arguments: Sequence[str]) -> Launch:
    """Start a process of ``mlbench run`` with these arguments, ``run`` and ``--db`` left out.

    Raises:
        ControlError: No process can be started.
        StoreError: Nothing can be written beside the database.
    """
    return spawn(paths, ("run", *arguments, "--db", str(paths.database)))


def resume(paths: StorePaths, run_id: str) -> Launch:
    """Start a process that goes on with a run; errors are those of :func:`start`."""
    # A name of somebody else's may begin with a dash, and is no option for that.
    return spawn(paths, ("resume", "--db", str(paths.database), "--", run_id))


def refuse_resuming(paths: StorePaths, row: RunRow) -> None:
    """Refuse to go on with a run that goes on, or that has its result.

    Raises:
        ControlError: It is alive, finished or diverged.
    """
    if is_alive(paths, row.run_id):
        raise ControlError(f"{row.run_id} is running already; x stops it")
    if row.status in CONCLUSIVE:
        raise ControlError(
            f"{row.run_id} has its result: it {row.status}; n starts a run with other settings"
        )


def stop(paths: StorePaths, row: RunRow) -> int:
    """Ask a run to save its state and stop; return the process that was asked.

    SIGTERM, and not SIGINT: both make it stop after the tasks under way, but a second SIGINT
    throws away what came after the last checkpoint, and keys get pressed twice.

    Raises:
        ControlError: It is not alive, or not ours to stop.
    """
    pid = holder(paths, row)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        raise ControlError(f"{row.run_id} just ended; there is nothing to stop") from None
    except PermissionError:
        raise ControlError(
            f"{row.run_id} is PID {pid} of another user; ask whoever started it"
        ) from None
    return pid


def companions(paths: StorePaths, row: RunRow) -> int:
    """Return how many other runs the same process computes, as one program; they stop with it.

    Raises:
        ControlError: There is no process that could be signalled from here.
    """
    pid = str(holder(paths, row))
    others = (lock for lock in paths.locks.glob("*.lock") if lock.stem != row.run_id)
    return sum(written_in(lock) == pid and is_alive(paths, lock.stem) for lock in others)


def written_in(lock: Path) -> str:
    """Return what a lock says of its process; nothing where it may not be read."""
    try:
        return lock.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def holder(paths: StorePaths, row: RunRow) -> int:
    """Return the process that runs a run; a PID in a file counts only while its lock is held.

    Raises:
        ControlError: There is none that could be signalled from here.
    """
    here = socket.gethostname()
    text = written_in(paths.run_lock(row.run_id))
    if not is_alive(paths, row.run_id):
        where = "" if row.host == here else f" here; its last attempt was on {row.host}"
        raise ControlError(f"{row.run_id} is not running{where}; c goes on with it")
    if row.host != here:
        raise ControlError(
            f"{row.run_id} runs on {row.host}, and this is {here}; stop it there:"
            f" kill {text or row.pid}"
        )
    if not text.isdecimal() or int(text) <= 1:
        raise ControlError(
            f"{row.run_id} is running, but {paths.run_lock(row.run_id)} does not say as which"
            " process; stop it where it was started, with Ctrl-C"
        )
    return int(text)
