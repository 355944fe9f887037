"""A function of tensors, recorded once as a CUDA graph: one launch for all of its kernels.

The kernels of a few small images take less time than launching them one by one from Python does. A
graph is launched whole, and the GPU goes from kernel to kernel by itself. What it does is fixed
when it is recorded: the shapes, the memory that it reads and writes, and every choice that Python
made on the way.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

Function = Callable[..., Any]
"""From dicts, tuples and lists of tensors to such."""


class Graph:
    """A function, recorded on examples and replayed on whatever is copied over them.

    The tensors of the examples become the graph's own inputs. A call copies into them what it is
    given, except where that is the very same memory: what is updated in place, as meta-parameters
    are by an optimiser and a state is by the function itself, is read where it lies.

    The function may change its arguments in place and nothing else, and must not wait for the
    device. Before it is recorded it runs once, to load libraries and to choose algorithms, and its
    arguments are then set back. Being recorded is not a run: the first call is.

    Args:
        function: What to record.
        example: Arguments of the shapes to come, on a CUDA device.

    Raises:
        RuntimeError: The function waits for the device, or does what cannot be recorded.
    """

    def __init__(self, function: Function, *example: Any) -> None:
        self.inputs = Inputs(example)
        with torch.cuda.device(self.inputs.device):
            self.stream = torch.cuda.Stream()
            self.rehearse(function, example)
            self.graph = torch.cuda.CUDAGraph()
            gc.collect()  # a graph or a tensor that dies while this one is recorded may spoil it
            current = torch.cuda.current_stream()
            try:
                with torch.cuda.graph(self.graph, stream=self.stream):
                    self.outputs = function(*example)
            except BaseException:
                torch.cuda.set_stream(current)  # torch forgets it where the recording cannot end
                raise

    def rehearse(self, function: Function, example: tuple[Any, ...]) -> None:
        """Run the function once, where it is to be recorded, and set its arguments back."""
        before = [tensor.clone() for tensor in self.inputs.tensors]
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream), refusing_to_wait():
            function(*example)
        current.wait_stream(self.stream)
        for tensor, value in zip(self.inputs.tensors, before, strict=True):
            tensor.copy_(value)

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function gives; the next call writes over it."""
        self.inputs.fill(arguments)
        self.graph.replay()
        return self.outputs


class Inputs:
    """The tensors that a graph reads, in the order of its arguments.

    Args:
        example: Arguments; their tensors are kept, not copied.
    """

    def __init__(self, example: tuple[Any, ...]) -> None:
        leaves, self.structure = pytree.tree_flatten(example)
        self.tensors: list[Tensor] = leaves

    @property
    def device(self) -> torch.device:
        """Return where they are."""
        return self.tensors[0].device

    def fill(self, arguments: tuple[Any, ...]) -> None:
        """Copy arguments over them, where they are other memory.

        Raises:
            ValueError: They have another structure, shape or type.
        """
        given, structure = pytree.tree_flatten(arguments)
        if structure != self.structure:
            raise ValueError(f"recorded for {self.structure}, called with {structure}")
        for own, value in zip(self.tensors, given, strict=True):
            if (value.shape, value.dtype) != (own.shape, own.dtype):
                raise ValueError(
                    f"recorded for {own.dtype} of shape {tuple(own.shape)},"
                    f" called with {value.dtype} of shape {tuple(value.shape)}"
                )
            if value.data_ptr() != own.data_ptr():
                own.copy_(value)


@contextmanager
def refusing_to_wait() -> Iterator[None]:
    """Let operations that wait for the device fail, as they would while they are recorded.

    A recording that fails leaves generators and memory pools in a state that nobody vouches for;
    a function that fails before it is recorded does no harm.
    """
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, that it may not know all such operations
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
