"""A block of Conv4 on a CPU: 3x3 convolution, batch-norm, ReLU and 2x2 max-pool, fused.

torch differentiates batch-norm a second time by some twenty operations, each of which reads and
writes all that the convolution made. Here both derivatives are written out; they need a few, and
of the first block they need none of what the convolution made.

**Value.** Let a = w ∗ x be the convolution, Ea and σ² the mean and the variance of a channel of a
over its M entries (all pixels of all examples), and r = (σ² + ε)^(-1/2). A block is

    z = pool(relu(γ r (a - Ea) + β)).

The convolution's bias would go the way of Ea. It is left out, and its gradient is exactly 0. What
is pooled never falls with a where γ ≥ 0 and never rises where γ ≤ 0, so the pool may come first:
let p be the place of the largest a of each window, of the smallest where γ < 0, and of the first
where entries tie, which is the pool's choice, too. With the *survivors* s, a quarter of a,

    s = (a - Ea)[p],    k = γ r,    z = relu(k s + β).

That p changes, or an entry crosses zero, has probability 0: p and [z > 0] are constants of every
derivative.

**Derivatives.** Let q̄ be the derivative of the loss with respect to q. Taking the mean is its own
transpose; that of [p] is S, where S s̄ is s̄ at the places p and 0 elsewhere. Then

    (1)  of s, σ²:    ā = S s̄ - E(S s̄) + 2/M σ̄² (a - Ea)
    (2)  of z:        s̄ = k y,  k̄ = Σ y s,  β̄ = Σ y,  with y = z̄ [z > 0]
    (3)  of a:        x̄ = w ∗ᵀ ā,  w̄ = x ∗ᵀ ā

and torch has γ̄ and σ̄² of k̄. In second order these are themselves values: (1), say, of s̄, σ̄² and
a. Where the loss has the derivatives u, v, … with respect to their results, in the order above,

    (1') of s̄:        (u - Eu)[p];    of σ̄²: 2/M Σ u (a - Ea);    of a: 2/M σ̄² (u - Eu)
    (2') of z̄:        [z > 0] (k u + s v + t);    of s: v y;    of k: Σ u y
    (3') of ā:        w ∗ u + v ∗ x;    of x: v ∗ᵀ ā;    of w: u ∗ᵀ ā

**Images.** The first block's input is data, so that only w matters, and an entry of a is wᵀq for a
patch q of the images, 9 numbers a channel. Let C be the covariance of the patches, one matrix for
all filters, and q' = q - Eq. Then s = wᵀ q'[p] and σ² = wᵀ C w, so that a need not be kept:

    (4)  of s, σ²:    w̄ = Σ s̄ q'[p] + 2 σ̄² C w
    (4') of s̄:        uᵀ q'[p];    of σ̄²: 2 uᵀ C w;    of w: 2 σ̄² C u

**Composition.** Each class is a function whose gradient is another, whose own gradient is a
formula. It works under autograd and ``torch.func.grad``; ``vmap`` takes task by task. There is
neither a third derivative nor one forward in mode, and torch says so to who asks.
"""

# ruff: noqa: ARG004 - torch hands over all inputs and outputs

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mlbench.bytask import ByTask, Formula
from mlbench.channels_last import (
    affine,
    channel_sums,
    convolve,
    entries,
    input_gradient,
    last,
    pick,
    summarise,
    weight_gradient,
    where_positive,
)
from mlbench.first_block import ImageSummary
from mlbench.normalise import EPSILON

FEW_PIXELS = 4000  # of a batch: fewer of them take less time than the calls that save it


def pays(images: Tensor) -> bool:
    """Return whether images, ``(n, channels, height, width)``, are for a CPU, and enough."""
    n, _, height, width = images.shape
    return images.device.type == "cpu" and n * height * width >= FEW_PIXELS


def block(
    x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, *, padding: int, images: bool
) -> Tensor:
    """Return the block's output: half the height and width of the convolution's, rounded down.

    Args:
        x: Input, ``(n, channels, height, width)``.
        weight: w, ``(filters, channels, 3, 3)``.
        gamma: γ, ``(filters,)``.
        beta: β, ``(filters,)``.
        padding: Zeros around each input.
        images: Whether x is data, with respect to which nothing is differentiated.
    """
    if images:
        s, variance, _ = ImageSummary.apply(x, weight, gamma.detach(), padding)
    else:
        s, variance, _, _ = Summary.apply(Convolution.apply(x, weight, padding), gamma.detach())
    z: Tensor = Activation.apply(s, gamma * torch.rsqrt(variance + EPSILON), beta)
    return z


class Convolution(ByTask):
    """a."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return w ∗ x."""
        return convolve(x, weight, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep x and w."""
        *tensors, ctx.padding = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, a_bar: Tensor) -> tuple[Any, ...]:
        """Return (3)."""
        return *ConvolutionGradient.backwards(a_bar, *ctx.saved_tensors, ctx.padding), None


class ConvolutionGradient(ByTask):
    """x̄ and w̄ of ā."""

    @staticmethod
    def forward(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> tuple[Tensor, Tensor]:
        """Return (3)."""
        return input_gradient(a_bar, x, weight, padding), weight_gradient(a_bar, x, weight, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep ā, x and w."""
        *tensors, ctx.padding = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, u: Tensor, v: Tensor) -> tuple[Any, ...]:
        """Return (3')."""
        return *Formula.backwards(convolution_twice, u, v, *ctx.saved_tensors, ctx.padding), None


def convolution_twice(
    u: Tensor, v: Tensor, a_bar: Tensor, x: Tensor, weight: Tensor, padding: int
) -> tuple[Tensor, ...]:
    """Return (3')."""
    return (
        convolve(u, weight, padding).add_(convolve(x, v, padding)),
        input_gradient(a_bar, x, v, padding),
        weight_gradient(a_bar, u, weight, padding),
    )


class Summary(ByTask):
    """s and σ² of a; with them Ea and p, for the gradient."""

    @staticmethod
    def forward(a: Tensor, gamma: Tensor) -> tuple[Tensor, ...]:
        """Return s, σ², Ea and p."""
        return summarise(a, gamma)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep a, Ea and p."""
        _, _, mean, places = output
        ctx.mark_non_differentiable(mean, places)
        ctx.set_materialize_grads(False)  # torch would make zeros of the size of p
        ctx.save_for_backward(inputs[0], mean, places)

    @staticmethod
    def backward(ctx: Any, s_bar: Tensor, variance_bar: Tensor, *_: None) -> tuple[Any, ...]:
        """Return (1)."""
        return SummaryGradient.backwards(s_bar, variance_bar, *ctx.saved_tensors), None


class SummaryGradient(ByTask):
    """ā of s̄ and σ̄²."""

    @staticmethod
    def forward(
        s_bar: Tensor, variance_bar: Tensor, a: Tensor, mean: Tensor, places: Tensor
    ) -> Tensor:
        """Return (1)."""
        s_bar, count = last(s_bar), a[:, 0].numel()
        factor = variance_bar * (2 / count)
        a_bar = affine(last(a), factor, -factor * mean - s_bar.sum((0, 2, 3)) / count)
        entries(a_bar).scatter_add_(0, places.flatten(), entries(s_bar))
        return a_bar

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what (1') needs: all but s̄."""
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Any, ...]:
        """Return (1')."""
        return *Formula.backwards(summary_twice, u, *ctx.saved_tensors), None, None


def summary_twice(
    u: Tensor, variance_bar: Tensor, a: Tensor, mean: Tensor, places: Tensor
) -> tuple[Tensor, ...]:
    """Return (1')."""
    u, count = last(u), a[:, 0].numel()
    product, total = channel_sums(u, a, mean)
    u_mean, factor = total / count, variance_bar * (2 / count)
    return (
        pick(u, places).sub_(u_mean[:, None, None]),
        product * (2 / count),
        affine(u, factor, -factor * u_mean),
    )


class Activation(ByTask):
    """z."""

    @staticmethod
    def forward(s: Tensor, scale: Tensor, beta: Tensor) -> Tensor:
        """Return relu(k s + β)."""
        return affine(last(s), scale, beta).relu_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep s, k and z."""
        s, scale, _ = inputs
        ctx.save_for_backward(s, scale, output)

    @staticmethod
    def backward(ctx: Any, z_bar: Tensor) -> tuple[Any, ...]:
        """Return (2)."""
        s, scale, z = ctx.saved_tensors
        found: tuple[Any, ...] = ActivationGradient.backwards(z_bar, s, scale, z.detach())
        return found


class ActivationGradient(ByTask):
    """s̄, k̄ and β̄ of z̄."""

    @staticmethod
    def forward(z_bar: Tensor, s: Tensor, scale: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return (2)."""
        y = where_positive(z_bar, z)
        return y * scale[:, None, None], *channel_sums(y, s)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep z̄, s, k and z."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor, v: Tensor, t: Tensor) -> tuple[Any, ...]:
        """Return (2')."""
        return *Formula.backwards(activation_twice, u, v, t, *ctx.saved_tensors), None


def activation_twice(
    u: Tensor, v: Tensor, t: Tensor, z_bar: Tensor, s: Tensor, scale: Tensor, z: Tensor
) -> tuple[Tensor, ...]:
    """Return (2')."""
    u, y = last(u), where_positive(z_bar, z)
    asked = affine(last(s), v, t).addcmul_(u, scale[:, None, None])
    return where_positive(asked, z), y * v[:, None, None], (u * y).sum((0, 2, 3))
