"""Families of textures: how dark a surface is at each of its points.

A family turns a surface and four numbers in [0, 1) into tones from 0 to 1, ``(n, height, width)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlbench.images.drawing import Numbers, Pixels, coverage, mix, turn


class Surface(NamedTuple):
    """Where the pixels of ``n`` images lie on an object whose radius is about 1.

    Args:
        x: To the right, ``(n, height, width)``.
        y: Downwards.
        depth: The distance to the outline, positive inside.
        pixel: The width of a pixel, ``(n, 1, 1)``.
    """

    x: Pixels
    y: Pixels
    depth: Pixels
    pixel: Pixels

    def turned(self, part: float) -> tuple[Pixels, Pixels]:
        """Return x and y on axes that are turned by a part of half a turn."""
        cosine, sine = (np.float32(number) for number in turn(np.asarray(part / 2)))
        return cosine * self.x + sine * self.y, cosine * self.y - sine * self.x


def to_whole(x: Pixels) -> Pixels:
    """Return the distance to the nearest whole number: a wave between 0 and 0.5."""
    distance: Pixels = np.abs(x - np.round(x))
    return distance


def bands(x: Pixels, pixel: Pixels, frequency: float, dark: float) -> Pixels:
    """Return stripes across x.

    Args:
        x: A coordinate of the surface.
        pixel: The width of a pixel.
        frequency: Stripes to a unit.
        dark: The part of each period that is 0.
    """
    depth = to_whole(x * np.float32(frequency)) - np.float32(dark / 2)
    return coverage(depth / np.float32(frequency), pixel)


def plain(surface: Surface, p: Numbers) -> Pixels:
    """Return one tone."""
    return np.full_like(surface.x, p[0] < 0.5)


def rimmed(surface: Surface, p: Numbers) -> Pixels:
    """Return a rim of one tone around the other."""
    tone = coverage(surface.depth - np.float32(0.12 + 0.12 * p[1]), surface.pixel)
    return tone if p[0] < 0.5 else 1 - tone


def striped(surface: Surface, p: Numbers) -> Pixels:
    """Return straight stripes at any angle."""
    x, _ = surface.turned(p[0])
    return bands(x, surface.pixel, 1.0 + 1.2 * p[1], 0.35 + 0.3 * p[2])


def ringed(surface: Surface, p: Numbers) -> Pixels:
    """Return rings around the middle."""
    radius = np.sqrt(surface.x * surface.x + surface.y * surface.y)
    return bands(radius + np.float32(p[0]), surface.pixel, 1.2 + p[1], 0.5)


def checked(surface: Surface, p: Numbers) -> Pixels:
    """Return a chessboard."""
    frequency = 0.8 + 0.6 * p[1]
    x, y = (bands(axis, surface.pixel, frequency, 0.5) for axis in surface.turned(p[0]))
    return mix(x, 1 - x, y)


def dotted(surface: Surface, p: Numbers) -> Pixels:
    """Return dots on a square lattice."""
    frequency = np.float32(1.1 + 0.7 * p[1])
    x, y = (to_whole(axis * frequency) / frequency for axis in surface.turned(p[0]))
    radius = np.float32(0.28 + 0.1 * p[2]) / frequency
    tone = coverage(np.sqrt(x * x + y * y) - radius, surface.pixel)
    return tone if p[3] < 0.5 else 1 - tone


def netted(surface: Surface, p: Numbers) -> Pixels:
    """Return thin lines both ways."""
    frequency = 1.1 + 0.7 * p[1]
    x, y = (bands(axis, surface.pixel, frequency, 0.3) for axis in surface.turned(p[0]))
    return x * y if p[3] < 0.5 else 1 - x * y


def jagged(surface: Surface, p: Numbers) -> Pixels:
    """Return stripes that go to and fro."""
    x, y = surface.turned(p[0])
    slope = 0.6 + 0.6 * p[2]
    # Along x, an edge that runs at a slant is that much wider.
    pixel = surface.pixel * np.float32(np.sqrt(1 + slope * slope))
    return bands(x + to_whole(y) * np.float32(slope), pixel, 1.1 + 0.8 * p[1], 0.5)


def shaded(surface: Surface, p: Numbers) -> Pixels:
    """Return a passage from one tone to the other."""
    x, _ = surface.turned(2 * p[0])
    tone: Pixels = np.clip(x * np.float32(0.6) + np.float32(0.5), 0, 1)
    return tone


TEXTURES: dict[str, Callable[[Surface, Numbers], Pixels]] = {
    family.__name__: family
    for family in (plain, rimmed, striped, ringed, checked, dotted, netted, jagged, shaded)
}
