"""How a run is computed: device, threads and engine. It decides the speed, not the experiment."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import torch

from mlbench.contract import Problem, ProblemKind
from mlbench.engines import ENGINES, Engine
from mlbench.errors import MisuseError
from mlbench.learners import Conv4

EngineName = Literal["auto", "loop", "stacked", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What a run is computed on.

    Args:
        device: As torch names it: ``cpu``, ``cuda``, ``cuda:1``.
        threads: Of one operation, on the CPU.
        engine: How tasks are run together.
    """

    device: str
    threads: int
    engine: EngineName

    @property
    def torch_device(self) -> torch.device:
        """Return the device as torch has it."""
        return torch.device(self.device)

    def engine_for(self, problem: Problem) -> Engine:
        """Return the engine; ``auto`` loops over convolutions on a CPU and stacks all else."""
        if self.engine != "auto":
            return ENGINES[self.engine]()
        convolutional = isinstance(problem.learner, Conv4)
        return ENGINES["loop" if convolutional and self.device == "cpu" else "mixed"]()

    def apply(self) -> None:
        """Set torch up for this process."""
        keep_memory()
        torch.set_num_threads(self.threads)


def choose_execution(
    kind: ProblemKind,
    device: str = "auto",
    threads: int | None = None,
    engine: EngineName = "auto",
) -> Execution:
    """Return what this machine offers for a kind of problem.

    Unless told otherwise, images take all cores and regression one: its operations are so small
    that threads wait for each other longer than they work.

    Raises:
        MisuseError: No such device here, or no such engine.
    """
    if engine not in get_args(EngineName):
        raise MisuseError(f"no engine {engine!r}; there are: {', '.join(get_args(EngineName))}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    threads = threads or (1 if kind == "regression" else usable_cores())
    return Execution(device=device, threads=threads, engine=engine)


def check_device(device: str) -> None:
    """Refuse a device that torch does not know, or that this machine lacks."""
    try:
        torch.empty(1, device=device).cpu()  # "meta" has no values that could be copied
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise MisuseError(
            f"device {device!r} cannot be used: {reason}; --device cpu always can"
        ) from error


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def keep_memory() -> str:
    """Tell glibc to keep freed memory, and return what was set.

    By default it gives every large tensor back to the kernel, and half of a second-order step on
    84x84 images is then the page faults of getting it again.
    """
    if not sys.platform.startswith("linux"):
        return "default"
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return "default"
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, -1)
    return "glibc, kept"
