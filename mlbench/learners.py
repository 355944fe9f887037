"""Base-learners: pure functions of a flat parameter vector θ.

A learner keeps no weights. ``learner(theta, x)`` predicts, ``learner.initialise(generator)`` draws
a θ to start from; the order of the weights in θ is that of :attr:`Learner.shapes`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, hp

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class Learner(ABC):
    """A network as a function of its weights."""

    Options: ClassVar[type[Hyper]]
    shapes: Shapes

    @property
    def size(self) -> int:
        """Return n, how many weights θ holds."""
        return sum(prod(shape) for _, shape in self.shapes)

    def unflatten(self, theta: Tensor) -> list[Tensor]:
        """Return views of θ, ``(n,)``, in the order of :attr:`shapes`."""
        parts = theta.split([prod(shape) for _, shape in self.shapes])
        return [part.view(shape) for part, (_, shape) in zip(parts, self.shapes, strict=True)]

    def initialise(self, generator: torch.Generator) -> Tensor:
        """Return θ, ``(n,)``: weights uniform in ±1/√fan-in, batch-norm γ = 1, the rest zero."""
        parts = [initial(name, shape, generator).flatten() for name, shape in self.shapes]
        return torch.cat(parts)

    @abstractmethod
    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return predictions, ``(n, outputs)``, for the inputs of one task."""


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


def feed_forward(weights: list[Tensor], x: Tensor) -> Tensor:
    """Apply linear layers with ReLU between them; weight and bias alternate in ``weights``."""
    *hidden, weight, bias = weights
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = F.relu(F.linear(x, w, b))
    return F.linear(x, weight, bias)


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

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return predictions, ``(n, inputs)`` to ``(n, outputs)``."""
        return feed_forward(self.unflatten(theta), x)


@dataclass(frozen=True, kw_only=True)
class Conv4Options(Hyper):
    """The image network; the defaults are those of section 3.5.3."""

    channels: int = hp(64, "filters of each convolution", at_least=1)
    padding: int = hp(1, "zeros around each input; the released code has 0", one_of=(0, 1))


class Conv4(Learner):
    """Four blocks of [3x3 convolution, batch-norm, ReLU, 2x2 max-pool], then a linear head.

    Batch-norm uses the statistics of the batch at hand, in training and in test (transductive).
    """

    Options = Conv4Options
    BLOCKS = 4
    EPSILON = 1e-5  # added to the variance, as torch does

    def __init__(
        self, input_shape: tuple[int, ...], outputs: int, options: Conv4Options | None = None
    ) -> None:
        options = Conv4Options() if options is None else options
        self.padding = options.padding
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

    def features(self, weights: list[Tensor], x: Tensor) -> Tensor:
        """Return what the blocks make of images: ``(n, channels, h, w)`` to ``(n, features)``."""
        for block in range(self.BLOCKS):
            w, b, gamma, beta = weights[4 * block : 4 * block + 4]
            x = F.conv2d(x, w, b, padding=self.padding)
            x = F.batch_norm(x, None, None, gamma, beta, training=True, eps=self.EPSILON)
            x = F.max_pool2d(F.relu(x), 2)
        return x.flatten(1)

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return logits, ``(n, channels, height, width)`` to ``(n, outputs)``."""
        weights = self.unflatten(theta)
        return F.linear(self.features(weights, x), *weights[-2:])
