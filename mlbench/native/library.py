"""Compiles ``networks.cpp`` with the C++ compiler that torch calls, and loads it."""

from __future__ import annotations

import ctypes
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from mlbench.errors import CompilationError
from mlbench.native.compiler import command, missing

SOURCE = Path(__file__).with_name("networks.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
SHARED = ("-shared", "-fPIC")

used = False  # by this process: as many threads as torch has, this is for all that it computes


def use(wanted: bool) -> None:
    """Say whether networks of update rules are computed by machine code where they can be.

    Raises:
        CompilationError: They are to be, and the compiler cannot.
    """
    global used  # noqa: PLW0603 - torch keeps the number of threads likewise
    if wanted:
        build()
    used = wanted


def in_use() -> bool:
    """Return what was said last; at first nothing is."""
    return used


@cache
def build() -> ctypes.CDLL:
    """Return the library, made once in a process.

    Raises:
        CompilationError: There is no compiler, or it cannot.
    """
    if lack := missing():
        raise CompilationError(f"{lack}; install one, or leave that out with --compile off")
    with TemporaryDirectory(prefix="mlbench-") as folder:
        made = Path(folder) / "networks.so"
        try:
            subprocess.run(  # noqa: S603 - the compiler that torch calls
                [*command(), *FLAGS, *SHARED, str(SOURCE), "-o", str(made)],
                check=True,
                capture_output=True,
                text=True,
            )
            return ctypes.CDLL(str(made))
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            line = next((line for line in said.splitlines() if "error" in line), said.strip())
            raise CompilationError(
                f"{SOURCE.name} could not be compiled: {line}; mend the compiler, or leave that"
                " out with --compile off"
            ) from error
