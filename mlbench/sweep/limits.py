"""What a process may take: time, silence and memory."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from mlbench.amounts import bytes_text, duration_text

GRACE = 30.0  # seconds from asking a process to stop to killing it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one process with all that it starts; ``None`` for none.

    Args:
        seconds: Of its whole life.
        silence: Seconds without any sign of progress: neither an episode nor a validation.
        memory: Bytes of resident memory.
    """

    seconds: float | None = None
    silence: float | None = None
    memory: int | None = None


def memory_of(pid: int) -> int:
    """Return the resident memory of a process and all its descendants, in bytes; 0 if it is gone.

    Pages that several of them share count once for each.
    """
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def terminate(pid: int) -> None:
    """Ask a process to save its state and stop."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def kill(pid: int) -> None:
    """Kill a process that leads a session of its own, and what it started."""
    children: list[psutil.Process] = []
    with suppress(psutil.Error):
        children = psutil.Process(pid).children(recursive=True)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for child in children:
        with suppress(psutil.Error):
            child.kill()


class Watch:
    """Says when a process has taken what it may.

    Args:
        pid: The process.
        limits: What it may take.
    """

    def __init__(self, pid: int, limits: Limits) -> None:
        self.pid = pid
        self.limits = limits
        self.began = self.heard = time.monotonic()
        self.sign: object = None

    def hear(self, sign: object) -> None:
        """Take note of how far the process got; what is equal is no progress."""
        if sign != self.sign:
            self.sign, self.heard = sign, time.monotonic()

    @property
    def seconds(self) -> float:
        """Return for how long it has been running."""
        return time.monotonic() - self.began

    def exceeded(self) -> tuple[str, bool] | None:
        """Return which limit is passed, and whether there is time to save; ``None`` if none is."""
        limits = self.limits
        if limits.memory is not None and (used := memory_of(self.pid)) > limits.memory:
            return (
                f"it took {bytes_text(used)} of memory, and the limit is"
                f" {bytes_text(limits.memory)}"
            ), False
        if limits.seconds is not None and self.seconds > limits.seconds:
            return f"it took longer than the limit of {duration_text(limits.seconds)}", True
        silent = time.monotonic() - self.heard
        if limits.silence is not None and silent > limits.silence:
            return f"it hung: no progress for {duration_text(limits.silence)}", True
        return None
