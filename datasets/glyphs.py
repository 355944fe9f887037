"""Generated handwriting: a class is a character of a few strokes, an image one writing of it.

In the manner of Omniglot (Lake, Salakhutdinov and Tenenbaum, 2015,
https://doi.org/10.1126/science.aab3050), whose characters many hands wrote; these come from random
numbers, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from mlbench.images.drawing import (
    GRAIN,
    Dice,
    Numbers,
    Pixels,
    as_colour,
    as_pixels,
    centres,
    colour,
    coverage,
    grain,
    key_of,
    mix,
    settled,
    turn,
)
from mlbench.images.generated import GeneratedImages

Choice = TypeVar("Choice")
FEWEST, MOST = 2, 5  # strokes of a character
GRID = settled(np.linspace(-0.62, 0.62, 4))  # where, both ways, strokes may start and end
APART = 0.5  # how far, one way or the other, a stroke's end lies from its start at least
JOINED = 0.55  # probability that a stroke starts on an earlier one
ARC = 0.7  # probability that a stroke bends one way only
BENDS = (0.0, 0.0, 0.22, -0.22, 0.45, -0.45)  # how far a stroke bulges, in parts of its length
PAGE = 0.8  # how far from the middle a character goes before it is moved; larger ones shrink
PIECES = 8  # straight pieces that stand for one stroke
SHAKE = 0.18  # how far a writing misses the points of a stroke at most
CHALK = 0.25  # part of the images that are light on dark
IMAGE_NUMBERS = 128 + GRAIN**2  # random numbers that an image may use
FAR = 64.0  # the square of a distance that no pixel has


class Glyphs(GeneratedImages):
    """Characters in ink on paper or in chalk on slate, each time written a little otherwise."""

    name = "glyphs"
    source = "generated, after Lake et al., 2015, https://doi.org/10.1126/science.aab3050"

    def class_name(self, number: int) -> str:
        """Return ``glyph 17``."""
        return f"glyph {number}"

    def paint(self, number: int, start: int, stop: int) -> Pixels:
        """Return writings of a character, ``(n, 3, height, width)``."""
        size, seed = self.options.image_size, self.options.seed
        dice = Dice(key_of("glyphs", seed, "image", number), start, stop, IMAGE_NUMBERS)
        lines = polylines(written(strokes_of(seed, number), dice))
        half_width = as_pixels(dice.between(0.05, 0.1))
        ink = coverage(half_width - distance(lines, size), 2 / size)
        bright, dim, chalk = dice.between(0.55, 1.0), dice.between(0.0, 0.35), dice.take(1) < CHALK
        paper = tinted(np.where(chalk, dim, bright), dice)
        picture = mix(paper, tinted(np.where(chalk, bright, dim), dice), ink[:, None])
        strength = as_pixels(dice.between(0.02, 0.1))
        return picture + (grain(dice, size) * strength)[:, None]


@lru_cache(maxsize=4096)
def strokes_of(seed: int, number: int) -> Numbers:
    """Return a class: cubic Bézier curves, ``(strokes, 4, 2)``."""
    dice = Dice(key_of("glyphs", seed, "class"), number, number + 1, 48)
    count = FEWEST + int(dice.take(1)[0, 0] * (MOST - FEWEST + 1))
    points = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
    joints: list[Numbers] = []
    strokes = []
    for _ in range(count):
        join, first, last, arc, bend, other_bend = dice.take(6)[0]
        start = one_of(joints if joints and join < JOINED else list(points), first)
        end = one_of(list(points[np.abs(points - start).max(axis=1) > APART]), last)
        bends = one_of(BENDS, bend), one_of(BENDS, bend if arc < ARC else other_bend)
        chord, across = end - start, (end - start)[::-1] * (-1.0, 1.0)
        left = start + chord / 3 + across * bends[0]
        right = end - chord / 3 + across * bends[1]
        strokes.append((start, left, right, end))
        joints += [start, end, (start + left + right + end) / 4]
    curves = np.array(strokes)
    curves *= PAGE / max(PAGE, np.abs(polylines(curves[None])).max())
    curves.setflags(write=False)
    return curves


def one_of(choices: Sequence[Choice], u: float) -> Choice:
    """Return a choice by a number in [0, 1)."""
    return choices[int(u * len(choices))]


def written(strokes: Numbers, dice: Dice) -> Numbers:
    """Return a class as each image has it, ``(n, strokes, 4, 2)``: shaken, slanted and moved."""
    shake = dice.around(0.0, SHAKE, MOST * 8).reshape(-1, MOST, 4, 2)
    x, y = np.moveaxis(strokes + shake[:, : len(strokes)], -1, 0).reshape(2, len(shake), -1)
    cosine, sine = turn(dice.around(0.0, 0.09))
    slant, wide, tall = dice.around(0.0, 0.3), dice.between(0.65, 1.1), dice.between(0.65, 1.1)
    x, y = wide * (x + slant * y), tall * y
    right, down = dice.around(0.0, 0.35), dice.around(0.0, 0.35)
    moved = np.stack((cosine * x - sine * y + right, sine * x + cosine * y + down), axis=-1)
    return moved.reshape(len(shake), *strokes.shape)


def polylines(curves: Numbers) -> Numbers:
    """Return points along Bézier curves, ``(n, strokes, PIECES + 1, 2)``."""
    t = (np.arange(PIECES + 1) / PIECES)[:, None]
    s = 1 - t
    p0, p1, p2, p3 = (curves[:, :, i, None] for i in range(4))
    return s * s * s * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t * t * t * p3


def distance(lines: Numbers, size: int) -> Pixels:
    """Return how far each pixel lies from the nearest of an image's lines, ``(n, size, size)``."""
    axis = centres(size)
    nearest = np.full((len(lines), size, size), FAR, dtype=np.float32)
    starts, ends = (part.reshape(len(lines), -1, 2) for part in (lines[:, :, :-1], lines[:, :, 1:]))
    for piece in range(starts.shape[1]):
        start, along = starts[:, piece], ends[:, piece] - starts[:, piece]
        length = np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:]) + 2.0**-20
        dx, dy = (axis - start[:, i, None].astype(np.float32) for i in range(2))
        ux, uy = ((along / length)[:, i, None].astype(np.float32) for i in range(2))
        # A pixel's foot on the line and its square distance from the start are sums of a term of
        # its column and one of its row, which makes this cheap.
        foot = (dx * ux)[:, None, :] + (dy * uy)[:, :, None]
        square = (dx * dx)[:, None, :] + (dy * dy)[:, :, None]
        on_piece = np.clip(foot, 0, as_pixels(length))
        np.minimum(nearest, square + on_piece * (on_piece - 2 * foot), out=nearest)
    return np.sqrt(np.maximum(nearest, 0))


def tinted(value: Numbers, dice: Dice) -> Pixels:
    """Return a tone with a touch of any hue."""
    return as_colour(colour(dice.take(1), dice.between(0.0, 0.35), value))
