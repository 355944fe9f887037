"""One block of Conv4 on a GPU: 3x3 convolution, batch-norm, ReLU and 2x2 max-pool, fused.

What :mod:`mlbench.blocks` is for a CPU, with the same result, for another machine: channels first,
as cuDNN's float32 kernels like it; few operations, since on the images of a support set each takes
the time of a launch; and no step of Python that depends on a value, so that it can be recorded.
torch differentiates a convolution a second time by one whose filters are as large as the images,
and batch-norm by some seventy operations; here they are derived by hand.

**Value.** Write a = w ∗ x, m and σ² for mean and variance of a channel of a over its M entries,
r = (σ² + ε)^(-1/2) and h = r (a - m). A block is

    z = relu(pool(y)),    y = γ h + β.

The convolution's bias is missing: batch-norm takes it away again, and its gradient is exactly 0.
Let p be the places that the pool chose, h[p] the entries there, and S the transpose of that
selection: S s is s at the places p and 0 elsewhere. Places, and which z are positive, are constants
of every derivative.

**First derivative.** For a quantity q let q̄ be the derivative of the loss with respect to it. With
ȳ = z̄ [z > 0], which is of the size of z, with D = Σ ȳ, E = Σ ȳ h[p] and k = γ r,

    ā = k (S ȳ - D/M - h E/M),    γ̄ = E,    β̄ = D.                                           (1)

**Second derivative.** Let (1) be asked for u of ā, v of γ̄ and t of β̄, that is, let
Q = Σ u ā + v E + t D. With the means U = Σ u / M and B = Σ u h / M

    Q = k K + v E + t D,    K = Σ u[p] ȳ - D U - E B,

and so, with c = v - k B,

    of ȳ       k u[p] + c h[p] + t - k U                                                        (2)
    of γ       r K                                                                              (3)
    of a       r (c S ȳ - (kE/M) u - (cD - kEU)/M - h (cE - kEB + kK)/M)                        (4)

where (4) is batch-norm's own derivative of what Q is by way of h, and of what it is by way of r.
For the convolution, asked for u of x̄ = w ∗ᵀ ā and v of w̄ = x ∗ᵀ ā,

    of ā       w ∗ u + v ∗ x;    of x: v ∗ᵀ ā;    of w: u ∗ᵀ ā.                                 (5)

There is no third derivative, and no rule for ``vmap``: tasks are run one by one or side by side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlbench.bytask import Formula
from mlbench.normalise import EPSILON

aten = torch.ops.aten
PIXELS = (0, 2, 3)  # the dimensions over which a channel is summed


def block(x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, *, padding: int) -> Tensor:
    """Return the block's output, ``(n, filters, ⌊height/2⌋, ⌊width/2⌋)`` of the convolution's.

    Args:
        x: Input, ``(n, channels, height, width)``.
        weight: Filters, ``(filters, channels, 3, 3)``.
        gamma: Scales of batch-norm, ``(filters,)``.
        beta: Shifts, likewise.
        padding: Zeros around each input.
    """
    a = Convolution.apply(x, weight, padding).contiguous()
    z: Tensor = NormalisedPool.apply(a, gamma, beta)
    return z


def usable(*tensors: Tensor) -> bool:
    """Return whether tensors are on a GPU, and no function transform is at work on them."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor  # noqa: SLF001 - no public name
    return all(tensor.is_cuda and not wrapped(tensor) for tensor in tensors)


class Convolution(Function):
    """a = w ∗ x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return a."""
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return convolve(x, weight, padding)

    @staticmethod
    def backward(ctx: Any, a_bar: Tensor) -> tuple[Any, ...]:
        """Return x̄ and w̄, as far as they are needed."""
        wanted = ctx.needs_input_grad[:2]
        return *ConvolutionGradient.apply(a_bar, *ctx.saved_tensors, ctx.padding, wanted), None


class ConvolutionGradient(Function):
    """x̄ and w̄ of a convolution."""

    @staticmethod
    def forward(
        ctx: Any, a_bar: Tensor, x: Tensor, weight: Tensor, padding: int, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, ...]:
        """Return those that are wanted."""
        ctx.save_for_backward(a_bar, x, weight)
        ctx.padding = padding
        ctx.set_materialize_grads(False)
        of_x, of_weight = wanted
        return transposed(a_bar, x, weight, padding, of_x=of_x, of_weight=of_weight)

    @staticmethod
    def backward(ctx: Any, u: Tensor | None, v: Tensor | None) -> tuple[Any, ...]:
        """Return (5)."""
        wanted = ctx.needs_input_grad[:3]
        found = Formula.apply(convolution_again, u, v, *ctx.saved_tensors, ctx.padding, wanted)
        return *found, None, None


def convolution_again(
    u: Tensor | None,
    v: Tensor | None,
    a_bar: Tensor,
    x: Tensor,
    weight: Tensor,
    padding: int,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, ...]:
    """Return (5), those that are wanted."""
    of_a, of_x, of_weight = wanted
    total = x_bar = w_bar = None
    if of_a and u is not None:
        total = convolve(u, weight, padding)
    if of_a and v is not None:
        product = convolve(x, v, padding)
        total = product if total is None else total.add_(product)
    if of_x and v is not None:
        x_bar, _ = transposed(a_bar, x, v, padding, of_x=True, of_weight=False)
    if of_weight and u is not None:
        _, w_bar = transposed(a_bar, u, weight, padding, of_x=False, of_weight=True)
    return total, x_bar, w_bar


class NormalisedPool(Function):
    """z = relu(pool(γ h + β))."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Return z; keep what (1) needs, of it h[p], which is a quarter of h."""
        variance, mean = torch.var_mean(a, PIXELS, correction=0)
        r = torch.rsqrt(variance.add_(EPSILON))
        largest, places = aten.max_pool2d_with_indices(affine(a, mean, r, gamma, beta), [2, 2])
        z: Tensor = largest.relu_()
        ctx.save_for_backward(a, gamma, mean, r, affine(pick(a, places), mean, r), places, z)
        return z

    @staticmethod
    def backward(ctx: Any, z_bar: Tensor) -> tuple[Any, ...]:
        """Return (1)."""
        *kept, z = ctx.saved_tensors
        gradients: tuple[Any, ...] = NormalisedPoolGradient.apply(z_bar, *kept, z.detach())
        return gradients


class NormalisedPoolGradient(Function):
    """ā, γ̄ and β̄ of z̄."""

    @staticmethod
    def forward(ctx: Any, z_bar: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        """Return (1)."""
        a, gamma, mean, r, chosen, places, z = kept
        y_bar = where_positive(z_bar, z)
        d, e = y_bar.sum(PIXELS), (y_bar * chosen).sum(PIXELS)
        k = gamma * r
        scale = k * (-1 / entries(a))
        a_bar = affine(a, mean, r, scale * e, scale * d)
        ctx.save_for_backward(z_bar, y_bar, *kept, d, e, k)
        return put_(a_bar, y_bar * wide(k), places), e, d

    @staticmethod
    def backward(ctx: Any, u: Tensor, v: Tensor, t: Tensor) -> tuple[Any, ...]:
        """Return (2), (4) and (3)."""
        return *Formula.apply(pool_again, u, v, t, *ctx.saved_tensors), *[None] * 5


def pool_again(u: Tensor, v: Tensor, t: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
    """Return (2), (4) and (3); z̄ is there so that :class:`Formula` sees what depends on it."""
    _, y_bar, a, gamma, mean, r, chosen, places, z, d, e, k = kept
    count = entries(a)
    u = u.contiguous()
    picked = pick(u, places)
    total, product = channel_sums(u, a, gamma, mean, r)
    u_mean, b, shrink = total / count, product / count, r * (-1 / count)
    kk = (picked * y_bar).sum(PIXELS)
    kk.addcmul_(d, u_mean, value=-1).addcmul_(e, b, value=-1)
    c, ke = torch.addcmul(v, k, b, value=-1), k * e
    constant = (c * d).addcmul_(ke, u_mean, value=-1).mul_(shrink)
    slope = (c * e).addcmul_(ke, b, value=-1).addcmul_(k, kk).mul_(shrink)
    of_a = affine(a, mean, r, slope, constant).addcmul_(u, wide(ke * shrink))
    put_(of_a, y_bar * wide(r * c), places)
    of_y = torch.addcmul(wide(torch.addcmul(t, k, u_mean, value=-1)), chosen, wide(c))
    of_z = where_positive(of_y.addcmul_(picked, wide(k)), z)
    return of_z, of_a, r * kk


def entries(a: Tensor) -> int:
    """Return M, how many entries a channel has."""
    return a.numel() // a.shape[1]


def wide(channels: Tensor) -> Tensor:
    """Return a number for each channel in a form that multiplies ``(n, channels, ...)``."""
    return channels[:, None, None]


def affine(
    a: Tensor, mean: Tensor, r: Tensor, slope: Tensor | None = None, constant: Tensor | None = None
) -> Tensor:
    """Return ``slope * h + constant`` with h = r (a - mean): one kernel on a GPU."""
    if a.is_cuda:
        found: Tensor = torch.batch_norm_elemt(a, slope, constant, mean, r, 0.0)
        return found
    h = (a - wide(mean)) * wide(r)
    if slope is None or constant is None:
        return h
    return h * wide(slope) + wide(constant)


def channel_sums(
    u: Tensor, a: Tensor, gamma: Tensor, mean: Tensor, r: Tensor
) -> tuple[Tensor, Tensor]:
    """Return Σ u and Σ u h of each channel: one kernel on a GPU, which asks for γ's type alone."""
    if a.is_cuda:
        sums = torch.batch_norm_backward_reduce(u, a, mean, r, gamma, False, True, True)
        return sums[3], sums[2]
    return u.sum(PIXELS), (u * affine(a, mean, r)).sum(PIXELS)


def where_positive(t: Tensor, z: Tensor) -> Tensor:
    """Return t [z > 0]."""
    found: Tensor = aten.threshold_backward(t, z, 0)
    return found


def pick(a: Tensor, places: Tensor) -> Tensor:
    """Return the entries at the places that a pool chose, of the shape of these."""
    return a.flatten(2).gather(2, places.flatten(2)).view_as(places)


def put_(a: Tensor, values: Tensor, places: Tensor) -> Tensor:
    """Add values to ``a`` at the places that a pool chose, and return it.

    No place is chosen twice, so that the order of the additions cannot matter; but where torch is
    to be deterministic, it sorts the places first. There, the pool's own gradient is faster.
    """
    if torch.are_deterministic_algorithms_enabled():
        return a.add_(
            aten.max_pool2d_with_indices_backward(
                values, a, [2, 2], [2, 2], [0, 0], [1, 1], False, places
            )
        )
    a.flatten(2).scatter_add_(2, places.flatten(2), values.flatten(2))
    return a


def convolve(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Return ``w ∗ x``."""
    found: Tensor = aten.convolution(x, weight, None, *geometry(padding))
    return found


def transposed(
    a_bar: Tensor, x: Tensor, weight: Tensor, padding: int, *, of_x: bool, of_weight: bool
) -> tuple[Tensor | None, ...]:
    """Return ``w ∗ᵀ ā`` and ``x ∗ᵀ ā``, those that are asked for."""
    mask = [of_x, of_weight, False]
    found: tuple[Tensor | None, ...] = aten.convolution_backward(
        a_bar, x, weight, None, *geometry(padding), mask
    )
    return found[:2]


def geometry(padding: int) -> tuple[Any, ...]:
    """Return a convolution as torch has it: stride, padding, dilation and what is not used here."""
    return [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1
