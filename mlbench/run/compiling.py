"""Machine code of a function of tensors, by way of the operations that it does."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch

from mlbench.errors import CompilationError, first_line
from mlbench.native.compiler import missing
from mlbench.run.tracing import traced


def machine_code(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    """Return what computes as a function does, for arguments of the form of the examples.

    Args:
        function: From tensors to tensors, in any nest of tuples and dictionaries.
        example: Arguments to trace it with; shapes and types are then fixed.

    Raises:
        CompilationError: The compiler cannot.
    """
    # torch remarks there, at every compilation, that there is no GPU
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    fast: Callable[..., Any] = torch.compile(traced(function, *example), dynamic=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TensorFloat32", UserWarning)  # which is asked for or not
        try:
            fast(*example)  # compiles it: a program that is to be recorded must not do so then
        except Exception as error:
            raise CompilationError(
                f"the meta-step could not be compiled: {first_line(error)}; mend the compiler, or"
                " leave that out with mlbench run ... --compile off"
            ) from error
    return fast


def missing_compiler(device: torch.device) -> str | None:
    """Return what a compilation for a device lacks on this machine; ``None`` if nothing."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "Triton, which compiles for GPUs, is not installed"
    return missing()
