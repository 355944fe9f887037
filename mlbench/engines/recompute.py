"""Functions whose activations are made again in the backward pass instead of kept for it.

With y = f(x), reverse mode needs of f the product of a vector with its Jacobian, and f can be
computed anew from x when that is asked for: memory for x alone, time for one more f. A function of
rows, each of which matters to no other, is so computed a few rows at a time, and the activations
of all of them never exist together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from mlbench.errors import PluginError

if TYPE_CHECKING:
    from mlbench.contract import Parameters
    from mlbench.engines.base import Rule

CONSTANTS = (type(None), bool, int, float, str)


class Recomputed(torch.autograd.Function):
    """A function of tensors whose graph is made where it is differentiated, and then dropped.

    Where the gradients are themselves to be differentiated, the graph is made of the inputs as
    they are, and stays: right in every order, at the memory of the plain function.
    """

    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        """Return ``function(*inputs)``, computed without a graph."""
        ctx.function = function
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        return function(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the vector-Jacobian products of the inputs that need one."""
        needed = ctx.needs_input_grad[1:]
        again = torch.is_grad_enabled()
        with torch.enable_grad():
            # One tensor may be handed in twice, or be made of another: an alias of each counts
            # what the function does with that very input.
            inputs = [
                x.view_as(x) if again else x.detach().requires_grad_(need)
                for x, need in zip(ctx.saved_tensors, needed, strict=True)
            ]
            outputs = ctx.function(*inputs)
        asked = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if gradient is not None and output.requires_grad
        ]
        if not asked:
            return (None,) * len(ctx.needs_input_grad)
        found = iter(
            torch.autograd.grad(
                [output for output, _ in asked],
                [x for x, need in zip(inputs, needed, strict=True) if need],
                [gradient for _, gradient in asked],
                create_graph=again,
                allow_unused=True,
            )
        )
        return None, *(next(found) if need else None for need in needed)


def recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``function(*arguments)``, whose activations are not kept for the backward pass.

    Args:
        function: Pure in its tensors: it has no others that are differentiated.
        arguments: Tensors, and tuples, lists and dictionaries of them; so is what it returns.
    """
    if not torch.is_grad_enabled():
        return function(*arguments)
    inputs, fill = apart(arguments)
    refill: Callable[[Sequence[Tensor]], Any]

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        nonlocal refill
        outputs, refill = apart(function(*fill(tensors)))
        return tuple(outputs)

    outputs = Recomputed.apply(flat, *inputs)
    return refill(outputs)


def apart(tree: Any) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
    """Return the tensors in a tree, and what puts others in their places.

    Raises:
        PluginError: Something else than tensors and plain constants is in it.
    """
    leaves, layout = tree_flatten(tree)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    gaps = [None if isinstance(leaf, Tensor) else (leaf,) for leaf in leaves]
    for gap in gaps:
        if gap is not None and not isinstance(gap[0], CONSTANTS):
            raise PluginError(
                f"the state of an update rule holds an object, {type(gap[0]).__name__}, in which no"
                " engine finds tensors; make it a tensor, or a NamedTuple, list or dict of tensors"
            )

    def fill(others: Sequence[Tensor]) -> Any:
        rest = iter(others)
        return tree_unflatten([next(rest) if gap is None else gap[0] for gap in gaps], layout)

    return tensors, fill


def by_rows(
    rule: Rule,
    rows: int,
    meta: Parameters,
    state: Any,
    theta: Tensor,
    gradient: Tensor,
    loss: Tensor,
    t: int,
) -> tuple[Tensor, Any]:
    """Return what ``rule.step`` does, computed for at most ``rows`` weights at a time.

    Raises:
        PluginError: The rule remembers something that has no row per weight.
    """
    names = rule.per_weight or ()
    shared = {name: value for name, value in meta.items() if name not in names}
    own = {name: value for name, value in meta.items() if name in names}
    least, more = divmod(len(theta), pieces := ceil(len(theta) / rows))
    sizes = [least + (piece < more) for piece in range(pieces)]

    def step(
        shared: Parameters,
        loss: Tensor,
        own: Parameters,
        state: Any,
        theta: Tensor,
        gradient: Tensor,
    ) -> Any:
        return rule.step({**shared, **own}, state, theta, gradient, loss, t)

    columns, fill = apart((own, state, theta, gradient))
    check_rows(rule, columns, len(theta))
    cut = zip(*(column.split(sizes) for column in columns), strict=True)
    found = [apart(recomputed(step, shared, loss, *fill(some))) for some in cut]
    for (tensors, _), size in zip(found, sizes, strict=True):
        check_rows(rule, tensors, size)
    _, refill = found[0]
    joined = [torch.cat(parts) for parts in zip(*(tensors for tensors, _ in found), strict=True)]
    theta, state = refill(joined)
    return theta, state


def check_rows(rule: Rule, tensors: Sequence[Tensor], count: int) -> None:
    """Refuse what cannot be cut by rows, or was not."""
    for tensor in tensors:
        if tensor.shape[:1] != (count,):
            raise PluginError(
                f"{type(rule).__name__} says per_weight = {rule.per_weight}, but has a tensor of"
                f" shape {tuple(tensor.shape)} for {count} weights; name there what has a row per"
                " weight and keep nothing else in the state, or leave per_weight None"
            )
