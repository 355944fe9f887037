"""The limit of direct convolution: what a second-order step of Conv4 costs if all else were free.

Write y = conv(x, w) for a layer and, for its backward pass, D(g, w) for the gradient of x and
W(g, x) for that of w. Each has the same number of multiplications. For every update on the support
set, a second-order meta-step cannot do without

    the support loss                            conv(x, w)
    its gradient                                D(g, w), W(g, x)
    of which W(g, x) is derived, along v        conv(x, v), D(g, v)
    and D(g, w), along u                        conv(u, w), W(g, u)
    as is the support loss itself               D(g', w), W(g', x)

The two convolutions of the second derivative add up, and can be done as one with twice the input
channels. The first layer needs no gradient of its input, which leaves it two convolutions and two
W. The loss of the queries is one convolution, one W and, past the first layer, one D.

W of the first layer, 3 % of it all at 84x84, has other ways: mlbench/blocks.py sums over those
entries alone that survive the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.cases import Case
from benchmarks.measure import Cost, timed

LAYERS = 4
KERNEL = 3
FORMATS = (torch.contiguous_format, torch.channels_last)
SIZES = {"conv": 1, "pair": 2, "both": 2, "d": 1, "w": 1}
"""How many convolutions' worth of multiplications each part has."""


class Layer(NamedTuple):
    """A convolution of some images, and how often one task's meta-step does each part of it.

    Args:
        images: Of which the batch consists.
        inputs: Channels of the input.
        outputs: Channels of the output.
        side: Pixels a side.
        conv: How often conv.
        pair: How often two convolutions that add up.
        both: How often D and W of the same gradient.
        d: How often D alone.
        w: How often W alone.
    """

    images: int
    inputs: int
    outputs: int
    side: int
    conv: int = 0
    pair: int = 0
    both: int = 0
    d: int = 0
    w: int = 0

    @property
    def times(self) -> dict[str, int]:
        """Return how often each part is done, of those that are done at all."""
        return {name: times for name in SIZES if (times := getattr(self, name))}

    @property
    def multiplications_of_one(self) -> int:
        """Return those of conv, of D or of W, the zeros of the padding included."""
        return self.images * self.side**2 * self.inputs * self.outputs * KERNEL**2

    @property
    def multiplications(self) -> int:
        """Return those of all parts together."""
        parts = sum(SIZES[name] * times for name, times in self.times.items())
        return self.multiplications_of_one * parts


def layers(case: Case) -> list[Layer]:
    """Return every convolution of one task's meta-step, of support set and of queries."""
    if case.side is None:
        return []
    support, query, t = case.ways * case.shots, case.ways * case.queries, case.steps
    side, filters = case.side, case.channels
    found = [
        Layer(support, 3, filters, side, conv=2 * t, w=2 * t),
        Layer(query, 3, filters, side, conv=1, w=1),
    ]
    for _ in range(LAYERS - 1):
        side //= 2
        found += [
            Layer(support, filters, filters, side, conv=t, pair=t, both=2 * t, d=t, w=t),
            Layer(query, filters, filters, side, conv=1, both=1),
        ]
    return found


def multiplications(case: Case) -> int:
    """Return those of one task's convolutions."""
    return sum(layer.multiplications for layer in layers(case))


class Limit:
    """Does the convolutions of one task on random numbers, each once, and counts them all."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.fastest = 0.0  # multiplications a CPU-second, of any part so far
        self.layers = [
            (layer, [parts(layer, memory_format) for memory_format in FORMATS])
            for layer in layers(case)
        ]

    def turn(self) -> Cost:
        """Return what they take, each in the memory format in which it is faster."""
        cpu = wall = 0.0
        for layer, forms in self.layers:
            for name, times in layer.times.items():
                best = min(timed(form[name]) for form in forms)
                cpu, wall = cpu + times * best.cpu, wall + times * best.wall
                rate = SIZES[name] * layer.multiplications_of_one / best.cpu
                self.fastest = max(self.fastest, rate)
        return Cost(cpu, wall)

    @property
    def at_best(self) -> float:
        """Return the CPU-seconds of a task if every part were as fast as the fastest was."""
        return multiplications(self.case) / self.fastest


def parts(layer: Layer, memory_format: torch.memory_format) -> dict[str, Callable[[], object]]:
    """Return what does each part of a layer."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape).contiguous(memory_format=memory_format)

    images, inputs, outputs, side = layer[:4]
    x, g = draw(images, inputs, side, side), draw(images, outputs, side, side)
    w = draw(outputs, inputs, KERNEL, KERNEL)
    both_x = torch.cat((x, x), 1).contiguous(memory_format=memory_format)
    both_w = torch.cat((w, w), 1).contiguous(memory_format=memory_format)

    def conv(x: Tensor, w: Tensor) -> object:
        return torch.conv2d(x, w, padding=1)

    def backward(*wanted: bool) -> object:
        geometry = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        return torch.ops.aten.convolution_backward(g, x, w, None, *geometry, [*wanted, False])

    return {
        "conv": lambda: conv(x, w),
        "pair": lambda: conv(both_x, both_w),
        "both": lambda: backward(True, True),
        "d": lambda: backward(True, False),
        "w": lambda: backward(False, True),
    }
