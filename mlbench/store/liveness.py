"""Whether a run is alive: it holds a lock on a file of its own, and the kernel lets go with it."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from mlbench.errors import StoreError
from mlbench.store.paths import StorePaths

PROBES_PASS = 0.2  # seconds; a probe of is_alive holds the lock for microseconds


class RunLock:
    """Held by a run while it is alive; a second process that runs the same run is refused."""

    def __init__(self, paths: StorePaths, run_id: str) -> None:
        self.paths = paths
        self.run_id = run_id
        self.descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreError: Another process has this run.
        """
        self.paths.make(self.paths.locks)
        path = self.paths.run_lock(self.run_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise StoreError(
                f"{path} cannot be opened: {err.strerror}; unlock that folder, or name another"
                " database with --db"
            ) from err
        if not lock_within(descriptor, PROBES_PASS):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            who = f"as PID {holder}" if holder else "in another process"
            how = f" with 'kill {holder}'" if holder else ""
            raise StoreError(
                f"run {self.run_id} is already running {who}; wait for it, or stop it{how}"
            )
        sign(descriptor)
        self.descriptor = descriptor

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def sign(descriptor: int) -> None:
    """Write our PID into a file that we hold locked, for those who wonder who does.

    The kernel's lock is what counts and the PID a courtesy: a full disk that has no room for it
    is no reason to stop, and those who find no PID say so.
    """
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def lock_within(descriptor: int, patience: float) -> bool:
    """Lock an open file exclusively; return whether that was possible within some seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        else:
            return True


def is_alive(paths: StorePaths, run_id: str) -> bool:
    """Return whether some process is running this run."""
    try:
        descriptor = os.open(paths.run_lock(run_id), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False  # the last two of names that a database of somebody else's may hold
    except OSError as err:
        if err.errno == errno.ENAMETOOLONG:
            return False
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
