"""Ctrl-C and SIGTERM ask a session to stop at the next event, where its state is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers the first signal; a second one of Ctrl-C interrupts at once."""

    def __init__(self) -> None:
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
        if self.signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        self.signal = self.signal or number

    @property
    def exit_code(self) -> int:
        """Return 130 for Ctrl-C and 143 for SIGTERM, as shells do; 0 if nothing came."""
        return 128 + self.signal if self.signal else 0
