"""Convolution and batch statistics of images, which are data: (4) and (4') of mlbench.blocks.

What the convolution makes is the largest tensor of a network, and is not kept here. In both
gradients it is replaced by the patches of the images and by the covariance of these.
"""
# ruff: noqa: ARG004 - torch hands over all inputs and outputs

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mlbench.bytask import WITHOUT, ByTask, Formula
from mlbench.channels_last import convolve, entries, last, patch_moments, pick, summarise
from mlbench.errors import MisuseError

AT_ONCE = 2**21  # entries: as many as the caches hold, roughly


class ImageSummary(ByTask):
    """s and σ² of images and w; with them p, for the gradient."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, gamma: Tensor, padding: int) -> tuple[Tensor, ...]:
        """Return s, σ² and p."""
        s, variance, _, places = summarise(convolve(x, weight, padding), gamma)
        return s, variance, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep x, w and p, and no a."""
        x, weight, _, ctx.padding = inputs
        _, _, places = output
        ctx.mark_non_differentiable(places)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, places)
        ctx.moments = None

    @staticmethod
    def backward(ctx: Any, s_bar: Tensor, variance_bar: Tensor, _: None) -> tuple[Any, ...]:
        """Return (4); in second order it is asked for twice."""
        if ctx.needs_input_grad[0]:
            raise MisuseError(
                f"a fused block takes images as constants, with no derivative by them; {WITHOUT}"
            )
        x, weight, places = ctx.saved_tensors
        moments = ctx.moments or Formula.backwards(patch_moments, x, ctx.padding)
        # what is kept here stays until the whole graph goes, long after its last use
        ctx.moments = moments if torch.is_grad_enabled() else None
        w_bar = ImageSummaryGradient.backwards(
            s_bar, variance_bar, x, weight, places, *moments, ctx.padding
        )
        return None, w_bar, None, None


class ImageSummaryGradient(ByTask):
    """w̄ of s̄ and σ̄²."""

    @staticmethod
    def forward(
        s_bar: Tensor,
        variance_bar: Tensor,
        x: Tensor,
        weight: Tensor,
        places: Tensor,
        patches: Tensor,
        mean: Tensor,
        covariance: Tensor,
        padding: int,
    ) -> Tensor:
        """Return (4)."""
        w = weight.flatten(1)
        met = met_by(s_bar, places, patches)[: len(mean)].T
        return (met + 2 * variance_bar[:, None] * (w @ covariance)).view_as(weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what (4') needs: all but s̄ and the patches."""
        _, variance_bar, x, weight, places, _, mean, covariance, ctx.padding = inputs
        ctx.save_for_backward(variance_bar, x, weight, places, mean, covariance)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Any, ...]:
        """Return (4')."""
        of_s, of_variance, of_w = Formula.backwards(
            image_summary_twice, u, *ctx.saved_tensors, ctx.padding
        )
        return of_s, of_variance, None, of_w, None, None, None, None, None


def met_by(s_bar: Tensor, places: Tensor, patches: Tensor) -> Tensor:
    """Return Σ s̄ q'[p], ``(columns of the patches, filters)``.

    S s̄, four times as large as s̄, is laid out for a few images at a time.
    """
    images, filters = s_bar.shape[:2]
    total = patches.new_zeros(patches.shape[1], filters)
    pixels = len(patches) // images
    few = max(1, AT_ONCE // (pixels * filters))
    spread = s_bar.new_empty(min(few, images) * pixels, filters)
    for start in range(0, images, few):
        stop = min(start + few, images)
        these = spread[: (stop - start) * pixels].zero_()
        within = places[start:stop].flatten() - start * pixels * filters
        these.view(-1).scatter_(0, within, entries(last(s_bar[start:stop])))
        total.addmm_(patches[start * pixels : stop * pixels].T, these)
    return total


def image_summary_twice(
    u: Tensor,
    variance_bar: Tensor,
    x: Tensor,
    weight: Tensor,
    places: Tensor,
    mean: Tensor,
    covariance: Tensor,
    padding: int,
) -> tuple[Tensor, ...]:
    """Return (4')."""
    asked, w = u.flatten(1), weight.flatten(1)
    turned = asked @ covariance
    return (
        pick(convolve(x, u, padding, -asked @ mean), places),
        2 * (turned * w).sum(1),
        (2 * variance_bar[:, None] * turned).view_as(weight),
    )
