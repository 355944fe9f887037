"""Base-learners: pure functions of a flat parameter vector θ.

A learner keeps no weights. ``learner(theta, x)`` predicts, ``learner.initialise(generator)`` draws
a θ to start from; the order of the weights in θ is that of :attr:`Learner.shapes`. Each is a body,
which makes features of inputs, and a head, the linear layer whose weights are the last of θ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench import blocks, gpu_blocks
from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, hp
from mlbench.normalise import Normaliser, by_batch

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class Learner(ABC):
    """A network as a function of its weights; the last two of its shapes are those of the head."""

    Options: ClassVar[type[Hyper]]
    shapes: Shapes

    @property
    def size(self) -> int:
        """Return n, how many weights θ holds."""
        return sum(prod(shape) for _, shape in self.shapes)

    @property
    def head_shape(self) -> tuple[int, int]:
        """Return ``(outputs, features)``."""
        outputs, features = self.shapes[-2][1]
        return outputs, features

    @property
    def body_size(self) -> int:
        """Return how many weights lie below the head."""
        return self.size - sum(prod(shape) for _, shape in self.shapes[-2:])

    def split(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return views of the body's and the head's weights."""
        return theta[: self.body_size], theta[self.body_size :]

    def initialise(self, generator: torch.Generator) -> Tensor:
        """Return θ, ``(n,)``: weights uniform in ±1/√fan-in, batch-norm γ = 1, the rest zero."""
        parts = [initial(name, shape, generator).flatten() for name, shape in self.shapes]
        return torch.cat(parts)

    @abstractmethod
    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        """Return what the body makes of the inputs of one task, ``(n, features)``.

        Args:
            body: The weights below the head.
            x: Inputs, ``(n, ...)``.
            normalise: The statistics that batch-norm uses, if the learner has batch-norm.
        """

    def head(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return ``(n, outputs)`` for ``(n, features)``; ``weights`` as in θ, matrix then bias."""
        matrix, bias = unflatten(weights, self.shapes[-2:])
        return F.linear(features, matrix, bias)

    def __call__(self, theta: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        """Return predictions, ``(n, outputs)``, for the inputs of one task, ``(n, ...)``."""
        body, head = self.split(theta)
        return self.head(head, self.features(body, x, normalise))


def unflatten(weights: Tensor, shapes: Shapes) -> list[Tensor]:
    """Return views of a flat vector of weights, in the order of their shapes."""
    parts = weights.split([prod(shape) for _, shape in shapes])
    return [part.view(shape) for part, (_, shape) in zip(parts, shapes, strict=True)]


def initial(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a first value for one tensor of weights, by the last part of its name."""
    if name.endswith("weight"):
        bound = 1 / sqrt(prod(shape[1:]))
        return torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return torch.ones(shape) if name.endswith("gamma") else torch.zeros(shape)


def linear_shapes(widths: tuple[int, ...], prefix: str) -> Shapes:
    """Return the tensors of a stack of linear layers: weight and bias, layer by layer."""
    layers = enumerate(pairwise(widths))
    return tuple(
        tensor
        for i, (fan_in, fan_out) in layers
        for tensor in (
            (f"{prefix}.{i}.weight", (fan_out, fan_in)),
            (f"{prefix}.{i}.bias", (fan_out,)),
        )
    )


@dataclass(frozen=True, kw_only=True)
class MLPOptions(Hyper):
    """The regression network; the defaults are Finn et al.'s (2017), section 5.1."""

    hidden: tuple[int, ...] = hp((40, 40), "units of each hidden layer", at_least=1)


class MLP(Learner):
    """A multi-layer perceptron with ReLU."""

    Options = MLPOptions

    def __init__(self, inputs: int, outputs: int, options: MLPOptions | None = None) -> None:
        options = MLPOptions() if options is None else options
        self.shapes = linear_shapes((inputs, *options.hidden, outputs), "layer")

    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        """Return the last hidden layer, ``(n, inputs)`` to ``(n, units)``."""
        weights = unflatten(body, self.shapes[:-2])
        for w, b in zip(weights[::2], weights[1::2], strict=True):
            x = F.relu(F.linear(x, w, b))
        return x


@dataclass(frozen=True, kw_only=True)
class Conv4Options(Hyper):
    """The image network; the defaults are those of section 3.5.3."""

    channels: int = hp(64, "filters of each convolution", at_least=1)
    padding: int = hp(1, "zeros around each input", one_of=(0, 1), when={"released": 0})


class Conv4(Learner):
    """Four blocks of [3x3 convolution, batch-norm, ReLU, 2x2 max-pool], then a linear head."""

    Options = Conv4Options
    BLOCKS = 4

    def __init__(
        self, input_shape: tuple[int, ...], outputs: int, options: Conv4Options | None = None
    ) -> None:
        options = Conv4Options() if options is None else options
        self.padding = options.padding
        self.channels = options.channels
        self.fused = False
        channels, height, width = input_shape
        for _ in range(self.BLOCKS):
            height, width = ((side + 2 * self.padding - 2) // 2 for side in (height, width))
        if min(height, width) < 1:
            raise MisuseError(
                f"images of {input_shape[1]}x{input_shape[2]} vanish in the pools of Conv4 with"
                f" padding {self.padding}; use larger ones"
                + ("" if self.padding else " or --set learner.padding=1")
            )
        filters = options.channels
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for block in range(self.BLOCKS):
            fan_in = channels if block == 0 else filters
            shapes += [
                (f"block.{block}.weight", (filters, fan_in, 3, 3)),
                (f"block.{block}.bias", (filters,)),
                (f"block.{block}.gamma", (filters,)),
                (f"block.{block}.beta", (filters,)),
            ]
        features = filters * height * width
        shapes += [("head.weight", (outputs, features)), ("head.bias", (outputs,))]
        self.shapes = tuple(shapes)

    def with_fused_blocks(self) -> Conv4:
        """Return a copy whose blocks are single functions, with derivatives of their own.

        On a CPU those of :mod:`mlbench.blocks`, on a GPU those of :mod:`mlbench.gpu_blocks`, where
        the statistics are those of the batch and it pays; elsewhere the blocks stay as they are.
        """
        fused = copy(self)
        fused.fused = True
        return fused

    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        """Return what the blocks make of images, ``(n, channels, height, width)``."""
        weights = unflatten(body, self.shapes[:-2])
        on_cpu = blocks.pays(x)
        for block in range(self.BLOCKS):
            w, b, gamma, beta = weights[4 * block : 4 * block + 4]
            if self.fused and normalise is by_batch and gpu_blocks.usable(x, w):
                x = gpu_blocks.block(x, w, gamma, beta, padding=self.padding)
                continue
            if self.fused and normalise is by_batch and on_cpu:
                images = block == 0 and not x.requires_grad
                x = blocks.block(x, w, gamma, beta, padding=self.padding, images=images)
                continue
            x = normalise(block, F.conv2d(x, w, b, padding=self.padding), gamma, beta)
            x = F.max_pool2d(F.relu(x), 2)
        return x.flatten(1)
