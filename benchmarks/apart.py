"""Contestants in processes of their own: the allocator as each leaves it, memory of nobody else.

The process is told over a pipe when to step, so that contestants can take turns here, too. It
counts its memory from after its imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.measure import Cost
from mlbench.errors import MlbenchError


class ContestantError(MlbenchError):
    """A contestant's process could not go on."""


class Apart:
    """A contestant in a process of its own; it ends with the ``with`` block.

    Args:
        name: One of the contestants.
        case: What it is to do.
        variables: What its environment has besides ours.
    """

    def __init__(self, name: str, case: Case, variables: Mapping[str, str] | None = None) -> None:
        self.name, self.case = name, case
        self.peak = self.baseline = 0.0
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        """Have the contestant get ready.

        Raises:
            ContestantError: It cannot take part.
        """
        try:
            self.ask({"name": self.name, "case": asdict(self.case)})
        except ContestantError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def step(self) -> Cost:
        """Have one meta-step taken, and return what it took.

        Raises:
            ContestantError: The process failed or was killed.
        """
        reply = self.ask({"step": 1})
        self.peak, self.baseline = reply["peak"], reply["baseline"]
        return Cost(reply["cpu"], reply["wall"])

    @property
    def megabytes(self) -> float:
        """Return the peak of the steps so far, above what imports took."""
        return self.peak - self.baseline

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one question, a line each."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        assert self.process.stdout is not None  # noqa: S101
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # how the process ended is told below
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise ContestantError(f"{self.name} ({self.case.label}) {how}; is there memory enough?")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContestantError(reply["error"])
        return reply
