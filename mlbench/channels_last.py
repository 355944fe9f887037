"""Few-pass operations on images in the layout channels last, for :mod:`mlbench.blocks`.

The channels of a pixel are neighbours in memory, then come the pixels of a row. Tensors are
``(n, channels, height, width)`` all the same. Nothing here is differentiated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

aten = torch.ops.aten
LAST = torch.channels_last
PORTION = 1024  # pixels, at least, that are added up one by one
LONG_ROW = 8192  # bytes; the cache nearest to a core holds but a few rows that are longer


def last(t: Tensor) -> Tensor:
    """Return a tensor with channels last in memory, if need be a copy.

    Of a single channel torch calls every layout so, and then computes in another.
    """
    if t.stride(1) == 1 and t.is_contiguous(memory_format=LAST):
        return t
    return t.clone(memory_format=LAST)


def entries(t: Tensor) -> Tensor:
    """Return all entries as they lie in memory, ``(numel,)``; channels must be last there."""
    return t.permute(0, 2, 3, 1).view(-1)


def pick(t: Tensor, places: Tensor) -> Tensor:
    """Return the entries at given places in memory.

    Args:
        t: Where to look.
        places: Positions among its entries, ``(n, height, width, channels)`` of the result.
    """
    found = entries(last(t)).index_select(0, places.flatten())
    return found.view_as(places).permute(0, 3, 1, 2)


def affine(t: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    """Return ``factor * t + shift``, a factor and a shift for each channel."""
    return torch.addcmul(shift[:, None, None], t, factor[:, None, None])


def where_positive(t: Tensor, z: Tensor) -> Tensor:
    """Return t where z > 0, and 0 elsewhere."""
    found: Tensor = aten.threshold_backward(last(t), last(z), 0)
    return found


def mean_and_variance(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (no n - 1) of each channel."""
    pieces = portions(t)
    found = [aten.batch_norm_update_stats(piece, None, None, 0.0) for piece in pieces]
    means, variances = (torch.stack(each).double() for each in zip(*found, strict=True))
    share = means.new_tensor([len(piece) / len(t) for piece in pieces])
    mean = share @ means
    return mean.to(t.dtype), (share @ (variances + (means - mean).square())).to(t.dtype)


def channel_sums(t: Tensor, a: Tensor, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return Σ t (a - mean) and Σ t of each channel; a mean of ``None`` is 0.

    torch computes them together where it wants the gradients of batch-norm's scale and shift.
    """
    one = torch.ones_like(a[0, :, 0, 0])
    mean = torch.zeros_like(one) if mean is None else mean
    found = [
        aten.native_batch_norm_backward(
            some, others, None, None, None, mean, one, True, 0.0, [False, True, True]
        )[1:]
        for some, others in zip(portions(last(t)), portions(last(a)), strict=True)
    ]
    product, total = (torch.stack(each).sum(0) for each in zip(*found, strict=True))
    return product, total


def portions(t: Tensor) -> tuple[Tensor, ...]:
    """Return the examples in portions of some thousand pixels.

    With channels last, torch adds up numbers one by one in their own precision, and float32 loses
    three digits over a million of them. Portions keep these.
    """
    pieces: tuple[Tensor, ...] = t.split(-(-PORTION // t[0, 0].numel()))
    return pieces


def largest_of_windows(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest entry of every 2x2 window, the first of those that tie, and its place.

    Rows and columns that fill no window are in none.
    """
    found, within = F.max_pool2d(t, 2, return_indices=True)
    channels = torch.arange(t.shape[1], device=t.device)
    start = torch.arange(len(t), device=t.device)[:, None, None, None] * t[0].numel()
    places = torch.add(start + channels, within.permute(0, 2, 3, 1), alpha=t.shape[1])
    return last(found), places


def summarise(a: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return s, σ², Ea and p.

    Args:
        a: ``(n, filters, height, width)``.
        gamma: γ, ``(filters,)``; where it is 0, all entries of a window tie.
    """
    mean, variance = mean_and_variance(a)
    if bool((gamma > 0).all()):
        s, places = largest_of_windows(a)
    else:
        _, places = largest_of_windows(a * gamma.sign()[:, None, None])
        s = pick(a, places)
    return s.sub_(mean[:, None, None]), variance, mean, places


def convolve(x: Tensor, weight: Tensor, padding: int, bias: Tensor | None = None) -> Tensor:
    """Return the convolution w ∗ x."""
    return last(F.conv2d(last(x), weight, bias, padding=padding))


def input_gradient(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Return ``w ∗ᵀ ā``, of the shape of x, whose values do not matter."""
    return last(transposed(a_bar, x, weight, padding, [True, False, False])[0])


def weight_gradient(a_bar: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Return ``x ∗ᵀ ā``, of the shape of w, whose values do not matter."""
    if a_bar[0, :, 0].numel() * a_bar.element_size() > LONG_ROW:
        return weight_gradient_of_long_rows(last(a_bar), last(x), padding)
    return transposed(a_bar, x, weight, padding, [False, True, False])[1]


def transposed(
    a_bar: Tensor, x: Tensor, weight: Tensor, padding: int, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return torch's gradients of a convolution: those of x, w and bias that are wanted."""
    found: tuple[Tensor, Tensor, Tensor] = aten.convolution_backward(
        last(a_bar), last(x), weight, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, wanted
    )
    return found


def weight_gradient_of_long_rows(a_bar: Tensor, x: Tensor, padding: int) -> Tensor:
    """Return ``x ∗ᵀ ā`` of a 3x3 convolution, by three products of matrices an example.

    oneDNN's loops go along several rows at once, and slow down where these do not stay in the
    nearest cache. Here every pixel has its left and its right neighbour copied beside it; what the
    three rows of the filters meet are then overlapping parts of one matrix.
    """
    _, filters, height, width = a_bar.shape
    channels, wide = x.shape[1], x.shape[3]
    beside = x.new_zeros(x.shape[2] + 2 * padding, width, 3, channels)
    inside = beside[padding : len(beside) - padding]
    matrix = beside.view(-1, 3 * channels)
    total = x.new_zeros(3, filters, 3 * channels)
    for asked, pixels in zip(a_bar.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1), strict=True):
        for tap in range(3):
            start, stop = max(0, padding - tap), min(width, wide + padding - tap)
            inside[:, start:stop, tap] = pixels[:, start + tap - padding : stop + tap - padding]
        columns = asked.reshape(-1, filters).T
        for tap in range(3):
            total[tap].addmm_(columns, matrix[tap * width : (tap + height) * width])
    return total.view(3, filters, 3, channels).permute(1, 3, 0, 2)


def patch_moments(x: Tensor, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the 3x3 patches of images less their mean, that mean, and their covariance.

    Returns:
        ``(patches, columns)``, ``(taps,)`` and ``(taps, taps)``, with 9 taps a channel. Columns of
        zeros make up for a multiple of 8, which products of matrices like.
    """
    channels = x.shape[1]
    image = F.pad(x.mean(0), [padding] * 4)
    height, width = image.shape[1:]
    mean = F.avg_pool2d(image, (height - 2, width - 2), stride=1).flatten()
    taps = len(mean)
    columns = -(-taps // 8) * 8
    single = torch.eye(columns, taps, dtype=x.dtype, device=x.device)
    shift = F.pad(-mean, [0, columns - taps])
    found = convolve(x, single.view(columns, channels, 3, 3), padding, shift)
    patches = entries(found).view(-1, columns)
    covariance = (patches.T @ patches)[:taps, :taps] / len(patches)
    return patches, mean, covariance
