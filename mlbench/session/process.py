"""A command line of mlbench as a process of its own, that outlives whoever started it."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mlbench.errors import StoreError
from mlbench.store.journal import JournalFile, list_journals
from mlbench.store.paths import StorePaths

CLOCKS_DIFFER = 2.0  # seconds by which a file system's time may lag behind ours
ERROR = "Error: "
QUOTED = 4_096  # bytes at the end of a log that are searched for its last line
WRITABLE = 0o666  # less what the umask takes
# -P: a file of the folder that we are in must not stand in for a module of the same name
PROGRAM = (sys.executable, "-P", "-m", "mlbench")


class ControlError(StoreError):
    """A process of mlbench cannot be started, stopped or gone on with from here."""


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


def spawn(
    paths: StorePaths, arguments: tuple[str, ...], environment: Mapping[str, str] | None = None
) -> Launch:
    """Start a process of mlbench in a session of its own, its output in a file.

    Args:
        paths: The store; the process logs into its folder.
        arguments: What follows ``mlbench``.
        environment: Variables that it is given besides ours.

    Raises:
        ControlError: No process can be started.
        StoreError: Nothing can be written beside the database.
    """
    logs = paths.folder / "logs"
    paths.make(logs)
    at = time.time()
    log = logs / f"starting-{os.getpid()}-{time.time_ns()}.log"
    command = [*PROGRAM, *arguments]
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, WRITABLE)
        try:
            pid = os.posix_spawn(
                command[0],
                command,
                {**os.environ, **(environment or {})},
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
