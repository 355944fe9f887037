"""Processes that are killed at random and started again, and what they note for others to read."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Log:
    """Where all processes note things: a line each, which a kill cannot take back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def note(self, what: str, *values: Any) -> None:
        os.write(self.descriptor, json.dumps([what, *values]).encode() + b"\n")

    def notes(self) -> Iterator[list[Any]]:
        return map(json.loads, self.path.read_text().splitlines())


class Slot:
    """A process that is started again whenever it was killed.

    Args:
        name: What it does.
        work: Does it, in a child.
        log: Where it notes what must not happen.
        chance: Decides how long it lives.
    """

    longest = 0.8  # seconds that a process lives

    def __init__(
        self, name: str, work: Callable[[], None], log: Log, chance: random.Random
    ) -> None:
        self.name, self.work, self.log, self.chance = name, work, log, chance
        self.killed = 0
        self.child = 0
        self.kill_at = 0.0

    def start(self) -> None:
        """Fork."""
        self.kill_at = time.monotonic() + self.chance.uniform(0.05, self.longest)
        self.child = os.fork()
        if self.child:
            return
        code = 1
        try:
            terminal = self.log.path.with_name("terminal")
            said = os.open(terminal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.dup2(said, 1)
            os.dup2(said, 2)
            self.work()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException as failure:
            self.log.note("trouble", f"{self.name}: {failure!r}")
            traceback.print_exc()
        finally:
            os._exit(code)  # what libraries started does not survive a fork, nor does it end

    def tend(self) -> None:
        """Start it, kill it in time, and note how it ended."""
        if not self.child:
            self.start()
        elif time.monotonic() >= self.kill_at:
            self.kill()
        else:
            self.check()

    def check(self) -> None:
        """Note an end that nobody brought about."""
        child, status = os.waitpid(self.child, os.WNOHANG) if self.child else (0, 0)
        if child:
            self.child = 0
            self.ended(os.waitstatus_to_exitcode(status))

    def kill(self) -> None:
        """Kill it, if it is still there."""
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
            self.child = 0
            if code == -signal.SIGKILL:
                self.killed += 1
            else:
                self.ended(code)

    def ended(self, code: int) -> None:
        """Take note of an end."""
        if code:
            self.log.note("trouble", f"{self.name} ended with code {code}")
