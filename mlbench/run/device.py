"""How a run is computed: device, threads and engine. It decides the speed, not the experiment."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import torch

from mlbench import native
from mlbench.contract import Problem, ProblemKind
from mlbench.engines import ENGINES, Engine
from mlbench.engines.branched import Branched
from mlbench.engines.captured import Captured
from mlbench.errors import MisuseError, first_line
from mlbench.learners import Conv4

EngineName = Literal["auto", "loop", "stacked", "mixed", "adjoint"]
Compile = Literal["auto", "on", "off"]
REPEATABLE = (":4096:8", ":16:8")  # workspaces with which cuBLAS gives the same bits every time


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What a run is computed on.

    Args:
        device: As torch names it: ``cpu``, ``cuda``, ``cuda:1``.
        threads: Of one operation, on the CPU.
        engine: How tasks are run together.
        compile: Whether to make machine code of a run's steps; ``auto`` where it pays.
        native: Whether the networks of update rules are :mod:`mlbench.native`'s.
        tf32: Whether a GPU may round the factors of float32 products to 10 bits of mantissa.
        deterministic: Whether a GPU is kept to algorithms that give the same bits every time.
    """

    device: str
    threads: int
    engine: EngineName
    compile: Compile = "auto"
    native: bool = False
    tf32: bool = False
    deterministic: bool = False

    @property
    def torch_device(self) -> torch.device:
        """Return the device as torch has it."""
        return torch.device(self.device)

    @property
    def on_gpu(self) -> bool:
        """Return whether the device is one of CUDA."""
        return self.torch_device.type == "cuda"

    def engine_for(self, problem: Problem) -> Engine:
        """Return the engine: on a GPU one that is recorded, unless nothing is to be compiled.

        ``auto`` loops over tasks of convolutions, on a GPU side by side, and stacks all others.
        """
        if self.engine != "auto":
            base = ENGINES[self.engine]()
        elif isinstance(problem.learner, Conv4):
            base = Branched() if self.on_gpu else ENGINES["loop"]()
        else:
            base = ENGINES["mixed"]()
        return Captured(base) if self.on_gpu and self.compile != "off" else base

    def fitted(self, problem: Problem) -> Problem:
        """Return a problem whose learner computes in the way that suits device and engine.

        Fused blocks are for tasks that are run one by one, or side by side.
        """
        learner = problem.learner
        if isinstance(learner, Conv4) and self.engine in {"auto", "loop", "adjoint"}:
            return replace(problem, learner=learner.with_fused_blocks())
        return problem

    def apply(self) -> None:
        """Set torch up for this process."""
        keep_memory()
        native.use(self.native)
        torch.set_num_threads(self.threads)
        if self.on_gpu:
            self.apply_to_gpu()

    def apply_to_gpu(self) -> None:
        """Say how a GPU rounds products, and whether it may choose its algorithms by their speed.

        By default torch rounds the factors of convolutions to TF32, and not those of matrix
        products.
        """
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        torch.backends.cudnn.allow_tf32 = self.tf32
        torch.backends.cudnn.benchmark = not self.deterministic
        torch.backends.cudnn.deterministic = self.deterministic
        if self.deterministic and os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in REPEATABLE:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = REPEATABLE[0]
        torch.use_deterministic_algorithms(self.deterministic)
        # nothing here reads memory before it writes it, and filling it costs a kernel each time
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def arithmetic(self) -> dict[str, Any]:
        """Return what decides the rounding on a GPU, for the record; nothing on a CPU."""
        if not self.on_gpu:
            return {}
        return {
            "tf32": self.tf32,
            "deterministic": self.deterministic,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }


def choose_execution(
    kind: ProblemKind,
    device: str = "auto",
    threads: int | None = None,
    engine: EngineName = "auto",
    compile: Compile = "auto",  # noqa: A002 - as the option is called
    *,
    tf32: bool = False,
    deterministic: bool = False,
) -> Execution:
    """Return what this machine offers for a kind of problem.

    Unless told otherwise, images take all cores and regression one: its operations are so small
    that threads wait for each other longer than they work.

    Raises:
        MisuseError: No such device here, no such engine, or TF32 on what has none.
    """
    if engine not in get_args(EngineName):
        raise MisuseError(f"no engine {engine!r}; there are: {', '.join(get_args(EngineName))}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    if tf32 and torch.device(device).type != "cuda":
        raise MisuseError(f"--tf32 is a rounding of GPUs, and this runs on {device}; leave it out")
    threads = threads or (1 if kind == "regression" else usable_cores())
    return Execution(
        device=device,
        threads=threads,
        engine=engine,
        compile=compile,
        tf32=tf32,
        deterministic=deterministic,
    )


def check_device(device: str) -> None:
    """Refuse a device that torch does not know, or that this machine lacks."""
    try:
        torch.empty(1, device=device).cpu()  # "meta" has no values that could be copied
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise MisuseError(
            f"device {device!r} cannot be used: {first_line(error)}; --device cpu always can"
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
