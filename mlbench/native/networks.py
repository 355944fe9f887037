"""Networks that run for every weight of a base-learner, one row each, and their derivatives.

They are functions of torch: ``autograd`` and ``torch.func`` differentiate them, ``vmap`` maps them
and a program can be traced through them. Where machine code is not in use, or the tensors are not
on a CPU, torch computes the same. The first derivative is machine code too, and remembers nothing
but the inputs; a derivative of that is torch's.
"""

# ruff: noqa: ARG004 - torch hands over all inputs and outputs

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.func import vjp

from mlbench.native import operations
from mlbench.native.library import in_use

Found = tuple[Tensor, ...]


def feed_forward(weights: list[Tensor], x: Tensor) -> Tensor:
    """Apply linear layers with ReLU between them to every row, ``(n, inputs)``.

    Args:
        weights: Matrix and bias of each layer in turn, ``(outputs, inputs)`` and ``(outputs,)``.
        x: A row per weight of the base-learner.

    Returns:
        ``(n, outputs)`` of the last layer.
    """
    if not applies(x):
        return plain_feed_forward(weights, x)
    widths = [weights[0].shape[1], *(matrix.shape[0] for matrix in weights[::2])]
    phi = torch.cat([weight.flatten() for weight in weights])
    found: Tensor = FeedForward.apply(widths, x, phi)
    return found


def lstm_cell(
    seen: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the next hidden and cell state of an LSTM for every row, ``(n, units)`` each.

    Args:
        seen: Inputs, ``(n, inputs)``.
        hidden: Hidden state, ``(n, units)``.
        cell: Cell state, likewise.
        weight: Of input, forget, candidate and output gate, ``(4 units, inputs + units)``.
        bias: Likewise, ``(4 units,)``.
    """
    if not applies(seen):
        return plain_lstm_cell(seen, hidden, cell, weight, bias)
    found: tuple[Tensor, Tensor] = LstmCell.apply(seen, hidden, cell, weight, bias)
    return found


def applies(rows: Tensor) -> bool:
    """Return whether machine code is for these."""
    return in_use() and rows.device.type == "cpu"


def plain_feed_forward(weights: list[Tensor], x: Tensor) -> Tensor:
    """Return what :func:`feed_forward` does, computed by torch."""
    *hidden, weight, bias = weights
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = F.relu(F.linear(x, w, b))
    return F.linear(x, weight, bias)


def plain_lstm_cell(
    seen: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what :func:`lstm_cell` does, computed by torch."""
    inputs = torch.cat((seen, hidden), dim=-1)
    gates = zip(weight.chunk(4), bias.chunk(4), strict=True)  # each in memory of its own
    into, keep, candidate, out = (F.linear(inputs, w, b) for w, b in gates)
    cell = keep.sigmoid() * cell + into.sigmoid() * candidate.tanh()
    return out.sigmoid() * cell.tanh(), cell


class Mapped(Function):
    """A function of tensors that takes leading dimensions, the same for all."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the inputs, and apart from them what is no tensor."""
        ctx.constants = [value for value in inputs if not isinstance(value, Tensor)]
        ctx.save_for_backward(*(value for value in inputs if isinstance(value, Tensor)))

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        """Put the new dimension first, in every tensor."""
        moved = [
            value
            if not isinstance(value, Tensor)
            else value.expand(info.batch_size, *value.shape)
            if dim is None
            else value.movedim(dim, 0)
            for value, dim in zip(inputs, in_dims, strict=True)
        ]
        found = cls.apply(*moved)
        return found, 0 if isinstance(found, Tensor) else (0,) * len(found)


class FeedForward(Mapped):
    """The layers of φ, all in one vector, for rows x."""

    @staticmethod
    def forward(widths: list[int], x: Tensor, phi: Tensor) -> Tensor:
        """Return the last layer."""
        found: Tensor = operations.feed_forward(x, phi, widths)
        return found

    @staticmethod
    def backward(ctx: Any, out_bar: Tensor) -> tuple[Any, ...]:
        """Return x̄ and φ̄."""
        return None, *FeedForwardGradient.apply(*ctx.constants, out_bar, *ctx.saved_tensors)

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        """Make rows of what is mapped over, where all of it has one φ."""
        widths, x, phi = inputs
        _, x_dim, phi_dim = in_dims
        if phi_dim is not None:
            return super().vmap(info, in_dims, *inputs)
        x = x.movedim(x_dim, -3)
        found = cls.apply(widths, x.flatten(-3, -2), phi)
        return found.unflatten(-2, x.shape[-3:-1]), x.dim() - 3


class FeedForwardGradient(Mapped):
    """x̄ and φ̄ of what the last layer is asked for."""

    @staticmethod
    def forward(widths: list[int], out_bar: Tensor, x: Tensor, phi: Tensor) -> Found:
        """Return x̄ and φ̄."""
        found: Found = operations.feed_forward_gradient(out_bar, x, phi, widths)
        return found

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Any, ...]:
        """Return what torch makes of the layers' second derivative."""
        (widths,) = ctx.constants

        def layers(x: Tensor, phi: Tensor) -> Tensor:
            shapes = [part for a, b in pairwise(widths) for part in ((b, a), (b,))]
            parts = phi.split([torch.Size(shape).numel() for shape in shapes])
            weights = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
            return plain_feed_forward(weights, x)

        return None, *derivative_of_gradient(layers, bars, *ctx.saved_tensors)


class LstmCell(Mapped):
    """Hidden and cell state after one step."""

    @staticmethod
    def forward(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return both."""
        found: tuple[Tensor, Tensor] = operations.lstm_cell(*inputs)
        return found

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> Found:
        """Return the derivatives of all inputs."""
        found: Found = LstmCellGradient.apply(*bars, *ctx.saved_tensors)
        return found


class LstmCellGradient(Mapped):
    """The derivatives of all inputs, of what both states are asked for."""

    @staticmethod
    def forward(*inputs: Tensor) -> Found:
        """Return them."""
        found: Found = operations.lstm_cell_gradient(*inputs)
        return found

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> Found:
        """Return what torch makes of the cell's second derivative."""
        *asked, seen, hidden, cell, weight, bias = ctx.saved_tensors

        def step(*inputs: Tensor) -> tuple[Tensor, Tensor]:
            return plain_lstm_cell(*inputs)

        return derivative_of_gradient(step, bars, tuple(asked), seen, hidden, cell, weight, bias)


def derivative_of_gradient(
    function: Callable[..., Any], bars: Found, asked: Any, *inputs: Tensor
) -> Found:
    """Return the derivatives of a function's gradient, of ``asked`` first and then its inputs.

    Args:
        function: Of the inputs, computed by torch.
        bars: What the gradient with respect to each input is asked for.
        asked: What the function's result was asked for, as it is.
        inputs: Where.
    """

    def gradient(asked: Any, *inputs: Tensor) -> Found:
        found: Found = vjp(function, *inputs)[1](asked)
        return found

    first, *rest = vjp(gradient, asked, *inputs)[1](bars)
    return (*(first if isinstance(first, tuple) else (first,)), *rest)
