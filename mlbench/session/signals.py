"""Ctrl-C, SIGTERM and a hang-up ask a session to stop at the next event, its state whole."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = frozenset(128 + number for number in CAUGHT)
"""Exit codes of a run that was told to stop."""
NOTED = "Stopping after this batch of tasks; Ctrl-C stops at once."


class StopRequest:
    """Remembers the first signal; Ctrl-C after it interrupts at once.

    Args:
        noted: What to say when it comes.
    """

    def __init__(self, noted: str = NOTED) -> None:
        self.noted = f"\n{noted}\n".encode()
        self.signal: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # only the main thread may set handlers; elsewhere its handlers stay in force
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.note) for number in CAUGHT}
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal."""
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
        with suppress(OSError):  # the terminal may be gone: that is what SIGHUP says
            os.write(2, self.noted)

    @property
    def exit_code(self) -> int:
        """Return 128 plus the signal, as shells do: 130 for Ctrl-C; 0 if nothing came."""
        return 128 + self.signal if self.signal else 0
