"""The functions of ``networks.cpp`` as operations of torch, which programs can be traced through.

Tensors have leading dimensions, the same for all, over which nothing is shared. Rows are cut into
portions, which as many threads compute as torch has; what is summed over rows is summed portion by
portion, so that results do not depend on the number of threads.
"""

# ruff: noqa: ARG001 - what stands for an operation takes what it takes

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from mlbench.native.library import build

ROWS = 8192  # of a portion
TYPES = {torch.float32: "float32", torch.float64: "float64"}


def compute(
    name: str,
    rows: Sequence[Tensor],
    shared: Sequence[Tensor],
    sizes: Sequence[int],
    outputs: Sequence[Tensor],
    sums: Sequence[Tensor] = (),
) -> list[Tensor]:
    """Write outputs, and return what is summed over rows.

    Args:
        name: Of the function.
        rows: ``(..., n, columns)`` each.
        shared: What all rows of a leading index share.
        sizes: Of the network.
        outputs: ``(..., n, columns)`` each.
        sums: Tensors of the shapes of the sums.
    """
    function = getattr(build(), f"{name}_{TYPES[rows[0].dtype]}")
    *leading, count, _ = rows[0].shape
    stack, depth = prod(leading), len(leading)
    rows, shared, outputs = (
        [value.contiguous().view(stack, *value.shape[depth:]) for value in values]
        for values in (rows, shared, outputs)
    )
    portions = ceil(count / ROWS)
    found = [value.new_empty(stack, portions, *value.shape[depth:]) for value in sums]
    arguments = (
        *tensors(rows, [value.shape[-1] for value in rows]),
        *tensors(shared, [value[0].numel() for value in shared] if stack else []),
        *tensors(outputs, [value.shape[-1] for value in outputs]),
        *tensors(found, [value[0, 0].numel() for value in found] if stack and portions else []),
        (ctypes.c_int * len(sizes))(*sizes),
        len(sizes) - 1,
        ctypes.c_long(count),
        ctypes.c_long(ROWS),
    )

    def compute_some(first: int, last: int) -> None:
        function(*arguments, ctypes.c_long(first), ctypes.c_long(last))

    jobs, threads = stack * portions, torch.get_num_threads()
    if threads == 1 or jobs < 2:
        compute_some(0, jobs)
    else:
        cuts = [jobs * part // threads for part in range(threads + 1)]
        deque(pool(threads).map(compute_some, cuts[:-1], cuts[1:]), maxlen=0)
    return [value.sum(1).view(shape.shape) for value, shape in zip(found, sums, strict=True)]


def tensors(values: Sequence[Tensor], sizes: Sequence[int]) -> tuple[Any, Any]:
    """Return where tensors lie in memory, and sizes, as C has them."""
    starts = (ctypes.c_void_p * len(values))(*(value.data_ptr() for value in values))
    return starts, (ctypes.c_long * len(sizes))(*sizes)


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that wait for work."""
    return ThreadPoolExecutor(threads)


def like(tensor: Tensor) -> Tensor:
    """Return memory for a tensor of the same shape, its last dimension side by side."""
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


@custom_op("mlbench::feed_forward", mutates_args=())
def feed_forward(x: Tensor, phi: Tensor, widths: list[int]) -> Tensor:
    """Return the last layer for rows ``(..., n, inputs)`` and φ ``(..., weights)``."""
    out = x.new_empty(*x.shape[:-1], widths[-1])
    compute("feed_forward", rows=[x], shared=[phi], sizes=widths, outputs=[out])
    return out


@feed_forward.register_fake
def _(x: Tensor, phi: Tensor, widths: list[int]) -> Tensor:
    return x.new_empty(*x.shape[:-1], widths[-1])


@custom_op("mlbench::feed_forward_gradient", mutates_args=())
def feed_forward_gradient(
    out_bar: Tensor, x: Tensor, phi: Tensor, widths: list[int]
) -> tuple[Tensor, Tensor]:
    """Return x̄ and φ̄."""
    x_bar = like(x)
    (phi_bar,) = compute(
        "feed_forward_gradient",
        rows=[x, out_bar],
        shared=[phi],
        sizes=widths,
        outputs=[x_bar],
        sums=[phi],
    )
    return x_bar, phi_bar


@feed_forward_gradient.register_fake
def _(out_bar: Tensor, x: Tensor, phi: Tensor, widths: list[int]) -> tuple[Tensor, Tensor]:
    return like(x), like(phi)


@custom_op("mlbench::lstm_cell", mutates_args=())
def lstm_cell(
    seen: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the next hidden and cell state, ``(..., n, units)`` each."""
    outputs = [like(hidden), like(hidden)]
    sizes = (seen.shape[-1], hidden.shape[-1])
    compute("lstm_cell", [seen, hidden, cell], [weight, bias], sizes, outputs)
    return outputs[0], outputs[1]


@lstm_cell.register_fake
def _(
    seen: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    return like(hidden), like(hidden)


@custom_op("mlbench::lstm_cell_gradient", mutates_args=())
def lstm_cell_gradient(
    hidden_bar: Tensor,
    cell_bar: Tensor,
    seen: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weight: Tensor,
    bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the derivatives of the last five."""
    rows, outputs = (
        [seen, hidden, cell, hidden_bar, cell_bar],
        [like(seen), like(hidden), like(cell)],
    )
    sizes = (seen.shape[-1], hidden.shape[-1])
    sums = compute("lstm_cell_gradient", rows, [weight, bias], sizes, outputs, sums=[weight, bias])
    return outputs[0], outputs[1], outputs[2], sums[0], sums[1]


@lstm_cell_gradient.register_fake
def _(
    hidden_bar: Tensor,
    cell_bar: Tensor,
    seen: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weight: Tensor,
    bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return like(seen), like(hidden), like(cell), like(weight), like(bias)
