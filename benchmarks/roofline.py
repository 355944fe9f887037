"""How fast a GPU could be at best: what a computation has to do, over what the card can.

Every operation needs at least its floating-point operations over the rate of matrix products, and
at least the bytes that it reads and writes over the bandwidth of a copy; the larger of the two is
its floor. The floor of a computation is the sum over its operations as torch issues them: it holds
for kernels that are not fused, and small ones whose operands stay in the cache may stay below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

SIDE = 8192  # of the matrices that are multiplied
COPIED = 2**30  # bytes, many times what a cache holds
REPEATS = 10
ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")
VIEWS = ("_unsafe_view", "_reshape_alias")  # that their schemas do not tell


@dataclass(frozen=True)
class Ceilings:
    """What a card does at best, measured.

    Args:
        flops: Floating-point operations a second, in a large matrix product.
        bandwidth: Bytes a second, read and written, in a large copy.
    """

    flops: float
    bandwidth: float

    def floor(self, flops: float, moved: float) -> float:
        """Return the seconds that an operation takes at least."""
        return float(max(flops / self.flops, moved / self.bandwidth))


def measured_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Return what a card does, with TF32 if that is allowed."""
    a, b = torch.randn(2, SIDE, SIDE, device=device, dtype=dtype)
    product = event_seconds(lambda: a @ b)
    source = torch.randint(256, (COPIED,), device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    copy = event_seconds(lambda: target.copy_(source))
    return Ceilings(2 * SIDE**3 / product, 2 * COPIED / copy)


def event_seconds(step: Callable[[], object]) -> float:
    """Return the median time of a step, by the GPU's own clock."""
    for _ in range(3):
        step()
    times: list[float] = []
    for _ in range(REPEATS):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        step()
        ended.record()
        ended.synchronize()
        times.append(began.elapsed_time(ended) / 1000)
    return median(times)


class Work(TorchDispatchMode):
    """Adds up what is computed while it is entered, backward passes included."""

    def __init__(self, ceilings: Ceilings) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ceilings = ceilings
        self.flops = 0
        self.moved = 0
        self.seconds = 0.0
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Do an operation and count it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = flop_registry.get(func.overloadpacket)
        flops = int(formula(*args, **kwargs, out_val=result)) if formula else 0
        moved = bytes_moved(func, (args, kwargs), result)
        self.operations += moved > 0
        self.flops += flops
        self.moved += moved
        self.seconds += self.ceilings.floor(flops, moved)
        return result


def bytes_moved(func: Any, arguments: object, result: object) -> int:
    """Return what an operation reads and writes, every byte once; views and allocations nothing."""
    name = func.overloadpacket.__name__
    if name in ALLOCATIONS or name in VIEWS or is_view(func):
        return 0
    given = [held(tensor) for tensor in pytree.tree_leaves(arguments) if isinstance(tensor, Tensor)]
    made = [held(tensor) for tensor in pytree.tree_leaves(result) if isinstance(tensor, Tensor)]
    return sum(given) + sum(made)


def is_view(func: Any) -> bool:
    """Return whether an operation gives its argument another shape and does nothing else."""
    schema = func._schema  # noqa: SLF001 - there is no public name for it
    writes = any(each.alias_info and each.alias_info.is_write for each in schema.arguments)
    return not writes and any(each.alias_info for each in schema.returns)


def held(tensor: Tensor) -> int:
    """Return the bytes of a tensor; what is repeated by stride zero counts once."""
    distinct = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        distinct *= size if stride else min(size, 1)
    return distinct * tensor.element_size()
