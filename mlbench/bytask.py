"""Functions with derivatives of their own that work under autograd and ``torch.func`` alike."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlbench.errors import MisuseError

WITHOUT = "--engine mixed computes Conv4 without fused blocks"


class ByTask(Function):
    """A function of tensors that ``vmap`` takes task by task."""

    def __init_subclass__(cls) -> None:
        """Remember what torch asks at every call, and is slow to find out."""
        super().__init_subclass__()
        cls.forward.__signature__ = signature(cls.forward)  # type: ignore[attr-defined]

    @classmethod
    def backwards(cls, *inputs: Any) -> Any:
        """Return the value inside a backward pass.

        Where nobody differentiates that pass, nothing of it is recorded. ``torch.func.grad`` leaves
        that to the passes around it, which are then differentiable.
        """
        return cls.apply(*inputs) if torch.is_grad_enabled() else cls.forward(*inputs)

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        """Return the results of all tasks, stacked, and where their tasks are."""
        tasks = zip(
            *(
                [value] * info.batch_size if dim is None else value.unbind(dim)
                for value, dim in zip(inputs, in_dims, strict=True)
            ),
            strict=True,
        )
        results = [cls.apply(*task) for task in tasks]
        if isinstance(results[0], Tensor):
            return stacked(results), 0
        return tuple(map(stacked, zip(*results, strict=True))), (0,) * len(results[0])


class Formula(ByTask):
    """A formula that is not differentiated any more."""

    @staticmethod
    def forward(formula: Any, *inputs: Any) -> Any:
        """Return ``formula(*inputs)``."""
        return formula(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(_ctx: Any, *_: Any) -> Any:
        """Refuse."""
        raise MisuseError(f"a fused block has no third derivative; {WITHOUT}")


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors of one shape, stacked, each of which still lies in memory as it did."""
    order = sorted(range(tensors[0].dim()), key=tensors[0].stride, reverse=True)
    back = [1 + order.index(dim) for dim in range(len(order))]
    return torch.stack([t.permute(order) for t in tensors]).permute(0, *back)
