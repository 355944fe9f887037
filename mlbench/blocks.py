"""One block of Conv4 on a CPU: 3x3 convolution, batch-norm, ReLU and 2x2 max-pool, fused.

torch differentiates batch-norm a second time by some twenty operations, each of which reads and
writes all of its input. The derivatives here are derived by hand; they need a few. Everything is
in the layout *channels last*, in which the channels of a pixel are neighbours in memory.

**Value.** Write a = w ∗ x for the convolution, Ea and σ² for mean and variance of a channel of a
over its M entries (examples and pixels), r = (σ² + ε)^(-1/2). A block is

    z = pool(relu(γ r (a - Ea) + β)).

The convolution's bias is missing, since a - Ea is without it: its gradient is exactly 0. The map
from a to what is pooled never falls where γ ≥ 0 and never rises where γ ≤ 0, so that pooling may
come first: with p the place of the largest a of a window (of the smallest where γ < 0), and of
entries that tie the first, which is also the pool's choice,

    s = (a - Ea)[p]          the *survivors*, a quarter of the entries
    z = relu(γ r s + β)

Batch-norm is thus a function of s and of the numbers σ², γ and β of a channel; of all entries of a
there remain their selection, their mean and their variance. That p moves, or an entry crosses
zero, has probability 0, so p and [z > 0] are constants of every derivative.

**Derivatives.** For a quantity q let q̄ be the derivative of the loss with respect to it. E is its
own transpose, and S the transpose of the selection: S s̄ is zero but at the places p. Then

    s, σ² from a             ā = (1 - E) S s̄ + (2 σ̄²/M) (a - Ea)                               (1)

Where the loss is differentiated a second time, (1) is itself a function, of s̄, σ̄² and a. Let ū be
what its result ā is asked for; transposing (1) for each argument,

    of s̄                     (ū - Eū)[p]
    of σ̄²                    (2/M) Σ ū (a - Ea)
    of a                     (2 σ̄²/M) (ū - Eū)                                                 (2)

Likewise z = relu(k s + β), with k = γ r, and with z̄' = z̄ [z > 0]:

    s, k, β                  s̄ = k z̄',  k̄ = Σ z̄' s,  β̄ = Σ z̄'                                   (3)
    of z̄, asked for u, v, t  [z > 0] (k u + s v + t);  of s: v z̄';  of k: Σ u z̄'                 (4)

and the convolution, whose transposes ∗ᵀ give the gradients of x and of w:

    x, w                     x̄ = w ∗ᵀ ā,  w̄ = x ∗ᵀ ā                                           (5)
    of ā, asked for u, v     w ∗ u + v ∗ x;  of x: v ∗ᵀ ā;  of w: u ∗ᵀ ā                        (6)

**Images.** The first block's input is data: only w is differentiated, and a need not be kept. Each
entry of a is a product w·q with a patch q of the images, 9 numbers a channel; let C be the
covariance of the patches, one matrix for all filters, and q' = q - Eq. Then σ² = wᵀ C w, and

    w                        w̄ = Σ s̄ q'[p] + 2 σ̄² C w                                          (7)
    of s̄, asked for u        u·q'[p];  of σ̄²: 2 uᵀ C w;  of w: 2 σ̄² C u                         (8)

**Composition.** Each function below says its value and its gradient, and each gradient its own.
There is no third derivative: it is refused. Under ``vmap`` the tasks are taken one by one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from mlbench.errors import MisuseError
from mlbench.normalise import EPSILON

aten = torch.ops.aten
LAST = torch.channels_last
ROW = 8192  # bytes of a row of pixels; of longer ones, few fit into the cache nearest to a core


def block(
    x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, *, padding: int, images: bool
) -> Tensor:
    """Return the block's output, ``(n, filters, ⌊height/2⌋, ⌊width/2⌋)`` of the convolution's.

    Args:
        x: Input, ``(n, channels, height, width)``.
        weight: Filters, ``(filters, channels, 3, 3)``.
        gamma: Scales of batch-norm, ``(filters,)``.
        beta: Shifts, likewise.
        padding: Zeros around each input.
        images: Whether x is data, with respect to which nothing is differentiated.
    """
    signs = gamma.detach().sign()
    if images:
        survivors, variance, _ = ImageSummary.apply(x, weight, signs, padding)
    else:
        survivors, variance, *_ = Summary.apply(Convolution.apply(x, weight, padding), signs)
    z: Tensor = Activation.apply(survivors, gamma * torch.rsqrt(variance + EPSILON), beta)
    return z


class ByTask(Function):
    """A function of tensors that ``vmap`` takes task by task."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        """Return the results, stacked, and where their tasks are."""
        rows = [
            [x] * info.batch_size if dim is None else x.unbind(dim)
            for x, dim in zip(inputs, in_dims, strict=True)
        ]
        results = [cls.apply(*row) for row in zip(*rows, strict=True)]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        stacked = tuple(torch.stack(parts) for parts in zip(*results, strict=True))
        return stacked, (0,) * len(stacked)


class Last(ByTask):
    """A formula that is not differentiated: what comes last."""

    @staticmethod
    def forward(formula: Any, *inputs: Any) -> Any:
        """Return ``formula(*inputs)``."""
        return formula(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        """Refuse."""
        raise MisuseError(
            "a fused block has no third derivative; use the learner without fused blocks"
        )


class Convolution(ByTask):
    """a = w ∗ x."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return a."""
        return convolve(x, weight, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep x and w."""
        x, weight, ctx.padding = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, a_bar: Tensor) -> tuple[Any, ...]:
        """Return (5)."""
        return *ConvolutionGradient.apply(a_bar, *ctx.saved_tensors, ctx.padding), None


class ConvolutionGradient(ByTask):
    """x̄ and w̄ of a convolution."""

    @staticmethod
    def forward(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> tuple[Tensor, Tensor]:
        """Return (5)."""
        return input_gradient(a_bar, x, weight, padding), weight_gradient(a_bar, x, weight, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep ā, x and w."""
        *tensors, ctx.padding = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, u: Tensor, v: Tensor) -> tuple[Any, ...]:
        """Return (6)."""
        return *Last.apply(convolution_again, u, v, *ctx.saved_tensors, ctx.padding), None


def convolution_again(
    u: Tensor, v: Tensor, a_bar: Tensor, x: Tensor, weight: Tensor, padding: int
) -> tuple[Tensor, ...]:
    """Return (6)."""
    return (
        convolve(u, weight, padding).add_(convolve(x, v, padding)),
        input_gradient(a_bar, x, v, padding),
        weight_gradient(a_bar, u, weight, padding),
    )


class Summary(ByTask):
    """What batch-norm, ReLU and pool need of a: s and σ²; with them Ea and p, for the gradient."""

    @staticmethod
    def forward(a: Tensor, signs: Tensor) -> tuple[Tensor, ...]:
        """Return s, σ², Ea and p."""
        return summarise(a, signs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep a, Ea and p; the last two are not differentiated."""
        _, _, mean, places = output
        ctx.mark_non_differentiable(mean, places)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0], mean, places)

    @staticmethod
    def backward(ctx: Any, s_bar: Tensor, variance_bar: Tensor, *_: None) -> tuple[Any, ...]:
        """Return (1)."""
        return SummaryGradient.apply(s_bar, variance_bar, *ctx.saved_tensors), None


class SummaryGradient(ByTask):
    """ā of s̄ and σ̄²."""

    @staticmethod
    def forward(
        s_bar: Tensor, variance_bar: Tensor, a: Tensor, mean: Tensor, places: Tensor
    ) -> Tensor:
        """Return (1)."""
        s_bar, count = last(s_bar), a[:, 0].numel()
        factor = 2 * variance_bar / count
        a_bar = affine(last(a), factor, -s_bar.sum((0, 2, 3)) / count - factor * mean)
        entries(a_bar).scatter_add_(0, places.flatten(), entries(s_bar))
        return a_bar

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what (2) needs."""
        _, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Any, ...]:
        """Return (2)."""
        return *Last.apply(summary_again, u, *ctx.saved_tensors), None, None


def summary_again(
    u: Tensor, variance_bar: Tensor, a: Tensor, mean: Tensor, places: Tensor
) -> tuple[Tensor, ...]:
    """Return (2)."""
    u, count = last(u), a[:, 0].numel()
    product, total = channel_sums(u, last(a), mean)
    factor = 2 * variance_bar / count
    u_mean = total / count
    return (
        pick(u, places).sub_(u_mean[:, None, None]),
        2 * product / count,
        affine(u, factor, -factor * u_mean),
    )


class ImageSummary(ByTask):
    """s and σ² of the convolution of data; with them p, for the gradient."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, signs: Tensor, padding: int) -> tuple[Tensor, ...]:
        """Return s, σ² and p."""
        s, variance, _, places = summarise(convolve(x, weight, padding), signs)
        return s, variance, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep x, w and p, but not a."""
        x, weight, _, ctx.padding = inputs
        _, _, places = output
        ctx.mark_non_differentiable(places)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, places)

    @staticmethod
    def backward(ctx: Any, s_bar: Tensor, variance_bar: Tensor, _: None) -> tuple[Any, ...]:
        """Return (7)."""
        if ctx.needs_input_grad[0]:
            raise MisuseError(
                "a fused block takes images as constants; to differentiate with respect to them,"
                " use the learner without fused blocks"
            )
        w_bar, _, _ = ImageSummaryGradient.apply(
            s_bar, variance_bar, *ctx.saved_tensors, ctx.padding
        )
        return None, w_bar, None, None


class ImageSummaryGradient(ByTask):
    """w̄ of s̄ and σ̄²; with it Eq and C, for its own gradient."""

    @staticmethod
    def forward(
        s_bar: Tensor,
        variance_bar: Tensor,
        x: Tensor,
        weight: Tensor,
        places: Tensor,
        padding: int,
    ) -> tuple[Tensor, ...]:
        """Return (7), Eq and C."""
        filters = weight.flatten(1)
        count, taps = filters.shape
        mean = patch_mean(x, padding)
        rows = patches(x, mean, padding)
        covariance = (rows.T @ rows)[:taps, :taps] / len(rows)
        sparse = rows.new_zeros(len(rows) * count).scatter_(0, places.flatten(), entries(last(s_bar)))
        w_bar = (rows.T @ sparse.view(-1, count))[:taps].T
        w_bar = w_bar + 2 * variance_bar[:, None] * (filters @ covariance)
        return w_bar.view_as(weight), mean, covariance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what (8) needs."""
        _, variance_bar, x, weight, places, ctx.padding = inputs
        _, mean, covariance = output
        ctx.mark_non_differentiable(mean, covariance)
        ctx.save_for_backward(variance_bar, x, weight, places, mean, covariance)

    @staticmethod
    def backward(ctx: Any, u: Tensor, *_: Tensor) -> tuple[Any, ...]:
        """Return (8)."""
        s, variance, w = Last.apply(image_summary_again, u, *ctx.saved_tensors, ctx.padding)
        return s, variance, None, w, None, None


def image_summary_again(
    u: Tensor,
    variance_bar: Tensor,
    x: Tensor,
    weight: Tensor,
    places: Tensor,
    mean: Tensor,
    covariance: Tensor,
    padding: int,
) -> tuple[Tensor, ...]:
    """Return (8)."""
    rows, filters = u.flatten(1), weight.flatten(1)
    spread = rows @ covariance
    return (
        pick(convolve(x, u, padding, -rows @ mean), places),
        2 * (spread * filters).sum(1),
        (2 * variance_bar[:, None] * spread).view_as(weight),
    )


class Activation(ByTask):
    """z = relu(k s + β)."""

    @staticmethod
    def forward(s: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return z."""
        return affine(last(s), scale, shift).relu_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep s, k and z."""
        s, scale, _ = inputs
        ctx.save_for_backward(s, scale, output)

    @staticmethod
    def backward(ctx: Any, z_bar: Tensor) -> tuple[Any, ...]:
        """Return (3)."""
        s, scale, z = ctx.saved_tensors
        gradients: tuple[Any, ...] = ActivationGradient.apply(z_bar, s, scale, z.detach())
        return gradients


class ActivationGradient(ByTask):
    """s̄, k̄ and β̄ of z̄."""

    @staticmethod
    def forward(z_bar: Tensor, s: Tensor, scale: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return (3)."""
        passed = where_positive(z_bar, z)
        return passed * scale[:, None, None], *channel_sums(passed, last(s))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep z̄, s, k and z."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor, v: Tensor, t: Tensor) -> tuple[Any, ...]:
        """Return (4)."""
        return *Last.apply(activation_again, u, v, t, *ctx.saved_tensors), None


def activation_again(
    u: Tensor, v: Tensor, t: Tensor, z_bar: Tensor, s: Tensor, scale: Tensor, z: Tensor
) -> tuple[Tensor, ...]:
    """Return (4)."""
    u, s = last(u), last(s)
    passed = where_positive(z_bar, z)
    asked = affine(s, v, t).addcmul_(u, scale[:, None, None])
    return (
        where_positive(asked, z),
        passed * v[:, None, None],
        (u * passed).sum((0, 2, 3)),
    )


def summarise(a: Tensor, signs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return survivors, variance, mean and the survivors' places in memory.

    Args:
        a: ``(n, filters, height, width)``; rows and columns that fill no window survive nowhere.
        signs: Of γ, ``(filters,)``; where it is 0, all entries of a window tie.
    """
    mean, variance = aten.batch_norm_update_stats(a, None, None, 0.0)
    upright = bool((signs == 1).all())
    largest, within = F.max_pool2d(
        a if upright else a * signs[:, None, None], 2, return_indices=True
    )
    filters = a.shape[1]
    first = torch.arange(len(a), device=a.device)[:, None, None, None] * a[0].numel()
    channels = torch.arange(filters, device=a.device)
    places = torch.add(first + channels, within.permute(0, 2, 3, 1), alpha=filters)
    survivors = last(largest) if upright else pick(a, places)
    return survivors.sub_(mean[:, None, None]), variance, mean, places


def pick(a: Tensor, places: Tensor) -> Tensor:
    """Return the entries at given places in memory, ``(n, filters, height, width)`` of these."""
    found = entries(last(a)).index_select(0, places.flatten())
    return found.view_as(places).permute(0, 3, 1, 2)


def affine(t: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    """Return ``factor * t + shift``, a factor and a shift for each channel."""
    return torch.addcmul(shift[:, None, None], t, factor[:, None, None])


def channel_sums(t: Tensor, a: Tensor, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return Σ t (a - mean) and Σ t of each channel; a mean of ``None`` is 0.

    They are what batch-norm has for the gradients of its scale and shift where r = 1, and torch
    computes them together.
    """
    one = a.new_ones(a.shape[1])
    mean = torch.zeros_like(one) if mean is None else mean
    _, product, total = aten.native_batch_norm_backward(
        t, a, None, None, None, mean, one, True, 0.0, [False, True, True]
    )
    return product, total


def where_positive(t: Tensor, z: Tensor) -> Tensor:
    """Return t [z > 0]."""
    found: Tensor = aten.threshold_backward(last(t), last(z), 0)
    return found


def last(t: Tensor) -> Tensor:
    """Return a tensor with channels last in memory, if need be a copy.

    Of a single channel torch calls every layout so, and then computes in another.
    """
    if t.stride(1) == 1 and t.is_contiguous(memory_format=LAST):
        return t
    return t.clone(memory_format=LAST)


def entries(t: Tensor) -> Tensor:
    """Return all entries as they lie in memory, channels last, ``(numel,)``."""
    return t.permute(0, 2, 3, 1).view(-1)


def convolve(x: Tensor, weight: Tensor, padding: int, bias: Tensor | None = None) -> Tensor:
    """Return ``w ∗ x``, channels last."""
    return last(F.conv2d(last(x), weight, bias, padding=padding))


def transposed(
    a_bar: Tensor, x: Tensor, weight: Tensor, padding: int, mask: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return torch's gradients of a convolution, those that are asked for."""
    gradients: tuple[Tensor, Tensor, Tensor] = aten.convolution_backward(
        a_bar, x, weight, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, mask
    )
    return gradients


def input_gradient(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Return ``w ∗ᵀ ā``."""
    return last(transposed(last(a_bar), last(x), weight, padding, [True, False, False])[0])


def weight_gradient(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Return ``x ∗ᵀ ā``."""
    a_bar, x = last(a_bar), last(x)
    if a_bar[0, :, 0].numel() * a_bar.element_size() > ROW:
        return weight_gradient_of_long_rows(a_bar, x, padding)
    return transposed(a_bar, x, weight, padding, [False, True, False])[1]


def weight_gradient_of_long_rows(a_bar: Tensor, x: Tensor, padding: int) -> Tensor:
    """Return ``x ∗ᵀ ā``, by three products of matrices an example.

    oneDNN's own loops need several rows at once, which do not fit into the nearest cache here.
    With every pixel's left and right neighbour beside it, the matrix of the rows above, that of
    the rows themselves and that of the rows below are parts of one another.
    """
    _, filters, height, width = a_bar.shape
    channels, wide = x.shape[1], x.shape[3]
    beside = x.new_zeros(x.shape[2] + 2 * padding, width, 3, channels)
    inside = beside[padding : len(beside) - padding]
    lines = beside.view(-1, 3 * channels)
    total = x.new_zeros(3, filters, 3 * channels)
    for one, pixels in zip(a_bar.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1), strict=True):
        for tap in range(3):
            start, stop = max(0, padding - tap), min(width, wide + padding - tap)
            inside[:, start:stop, tap] = pixels[:, start + tap - padding : stop + tap - padding]
        columns = one.reshape(height * width, filters).T
        for tap in range(3):
            total[tap].addmm_(columns, lines[tap * width : (tap + height) * width])
    return total.view(3, filters, 3, channels).permute(1, 3, 0, 2)


def patch_mean(x: Tensor, padding: int) -> Tensor:
    """Return Eq, the mean of all 3x3 patches of the images, ``(9 channels,)``."""
    image = F.pad(x.mean(0), [padding] * 4)
    height, width = image.shape[1:]
    return F.avg_pool2d(image, (height - 2, width - 2), stride=1).flatten()


def patches(x: Tensor, mean: Tensor, padding: int) -> Tensor:
    """Return all q' = q - Eq, a row each, ``(M, columns)``.

    Columns are added up to a multiple of 8, which products of matrices like; they hold zeros.
    """
    channels, taps = x.shape[1], len(mean)
    columns = -(-taps // 8) * 8
    single = torch.eye(columns, taps, dtype=x.dtype, device=x.device)
    shift = F.pad(-mean, [0, columns - taps])
    found = convolve(x, single.view(columns, channels, 3, 3), padding, shift)
    return entries(found).view(-1, columns)
