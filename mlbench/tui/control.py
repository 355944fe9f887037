"""Starting, stopping and going on with runs: each is a process of its own, that outlives us."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mlbench.errors import StoreError
from mlbench.store.journal import JournalFile, list_journals
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE
from mlbench.store.snapshot import RunRow

CLOCKS_DIFFER = 2.0  # seconds by which a file system's time may lag behind ours
ERROR = "Error: "
QUOTED = 4_096  # bytes at the end of a log that are searched for its last line
WRITABLE = 0o666  # less what the umask takes


class ControlError(StoreError):
    """A run cannot be started, stopped or gone on with from here."""


@dataclass
class Launch:
    """A process that runs a command line of mlbench.

    Not a :class:`subprocess.Popen`: that one complains when it is dropped while its process
    goes on, which is what a dashboard does that is closed.

    Args:
        arguments: What follows ``mlbench``.
        pid: The process; it leads a session of its own, so that no terminal takes it along.
        log: Where its narration and its results go.
        at: When it was started, in seconds of the epoch.
        exit_code: As shells have it; ``None`` while it goes on.
    """

    arguments: tuple[str, ...]
    pid: int
    log: Path
    at: float
    exit_code: int | None = field(default=None)

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while the process goes on."""
        if self.exit_code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody waits for all children, and was faster
                pid, status = self.pid, 0
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = 128 - code if code < 0 else code
        return self.exit_code

    def run_id(self, paths: StorePaths) -> str | None:
        """Return the run that the process began last; ``None`` before its first."""
        begun = [journal for journal in list_journals(paths) if self.began(journal)]
        return max(begun, key=modified).run_id if begun else None

    def began(self, journal: JournalFile) -> bool:
        """Return whether this process wrote a journal."""
        if modified(journal) < self.at - CLOCKS_DIFFER:
            return False
        try:
            first = journal.first()
        except OSError:  # another user's, or just removed
            return False
        return first is not None and first.provenance["pid"] == self.pid

    def last_words(self) -> str:
        """Return the last line of the log, what went wrong before all else."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - QUOTED))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError as error:
            return f"{self.log} cannot be read: {error.strerror}"
        lines = [line.strip() for line in lines if line.strip()]
        errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
        return (errors or lines or [f"it said nothing in {self.log}"])[-1]

    def first_words(self) -> str:
        """Return the first line of the log: of a spec that has its result, that it has."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as file:
                return file.readline().strip() or f"it said nothing in {self.log}"
        except OSError as error:
            return f"{self.log} cannot be read: {error.strerror}"


def modified(journal: JournalFile) -> float:
    """Return when a journal was last written to; the beginning of time if it is gone."""
    try:
        return journal.path.stat().st_mtime
    except OSError:
        return 0.0


def command_text(arguments: Sequence[str]) -> str:
    """Return a command line as one types it."""
    return shlex.join(("mlbench", *arguments))


def start(paths: StorePaths, arguments: Sequence[str]) -> Launch:
    """Start a process of ``mlbench run`` with these arguments, ``run`` and ``--db`` left out.

    Raises:
        ControlError: No process can be started.
        StoreError: Nothing can be written beside the database.
    """
    return spawn(paths, ("run", *arguments, "--db", str(paths.database)))


def resume(paths: StorePaths, run_id: str) -> Launch:
    """Start a process that goes on with a run; errors are those of :func:`start`."""
    return spawn(paths, ("resume", run_id, "--db", str(paths.database)))


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


def spawn(paths: StorePaths, arguments: tuple[str, ...]) -> Launch:
    """Start a process of mlbench in a session of its own, its output in a file.

    Raises:
        ControlError: No process can be started.
        StoreError: Nothing can be written beside the database.
    """
    logs = paths.folder / "logs"
    paths.make(logs)
    at = time.time()
    log = logs / f"starting-{os.getpid()}-{time.time_ns()}.log"
    # -P: a file of the folder that we are in must not stand in for a module of the same name
    command = [sys.executable, "-P", "-m", "mlbench", *arguments]
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, WRITABLE)
        try:
            pid = os.posix_spawn(
                sys.executable,
                command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, descriptor, 1),
                    (os.POSIX_SPAWN_DUP2, descriptor, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
            )
        finally:
            os.close(descriptor)
        log = log.rename(logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{pid}.log")
    except OSError as error:
        raise ControlError(
            f"'{command_text(arguments)}' cannot be started: {error.strerror}; make room"
            f" for {logs} and the right to write there, or type it in a terminal"
        ) from error
    return Launch(arguments, pid, log, at)


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
