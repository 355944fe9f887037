"""Generated handwriting: a class is a character of a few strokes, an image one writing of it.

In the manner of Omniglot (Lake, Salakhutdinov and Tenenbaum, 2015,
https://doi.org/10.1126/science.aab3050), whose characters are strokes by many hands, but drawn
from random numbers; nothing is downloaded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mlbench.images.drawing import (
    GRAIN,
    Dice,
    Numbers,
    Pixels,
    as_pixels,
    centres,
    colour,
    coverage,
    grain,
    key_of,
    painted,
    settled,
    turn,
)
from mlbench.images.generated import GeneratedImages

MOST_STROKES = 5
GRID = 4  # points a side, from which strokes start and at which they end
PIECES = 8  # straight pieces that stand for one curve
HALF_WIDTH = 0.62  # of the grid, in the plane from -1 to 1
CHALK = 0.3  # part of the images that are light on dark
BENDS = (0.0, 0.0, 0.22, -0.22, 0.45, -0.45)  # how far a stroke bulges, in parts of its length


class Glyph(NamedTuple):
    """A class: ``strokes`` are cubic Bézier curves, ``(count, 4, 2)``."""

    strokes: Numbers


class Glyphs(GeneratedImages):
    """Characters in ink of any tone on paper of any tone, each time written a little otherwise."""

    name = "glyphs"
    source = "generated, after Lake et al., 2015, https://doi.org/10.1126/science.aab3050"

    def class_name(self, number: int) -> str:
        """Return ``glyph 17``."""
        return f"glyph {number}"

    def paint(self, number: int, start: int, stop: int) -> Pixels:
        """Write a character several times, ``(n, 3, height, width)``."""
        size, seed = self.options.image_size, self.options.seed
        strokes = glyph(seed, number).strokes
        dice = Dice(key_of("glyphs: image", seed, number), start, stop, 128 + GRAIN**2)
        curves = posed(strokes + jitter(dice)[:, : len(strokes)], dice)
        half = as_pixels(dice.between(0.05, 0.1))
        ink = coverage(half - distance(polylines(curves), size), 2 / size)
        paper, tone = dice.between(0.55, 1.0), dice.between(0.0, 0.35)
        chalk = dice.take(1) < CHALK
        paper, tone = np.where(chalk, tone, paper), np.where(chalk, paper, tone)
        picture = np.zeros((stop - start, 3, size, size), dtype=np.float32)
        for value, cover in ((paper, np.ones_like(ink)), (tone, ink)):
            tint = colour(dice.take(1), dice.between(0.0, 0.35), value)
            picture = painted(picture, tint, cover)
        strength = as_pixels(dice.between(0.02, 0.1))
        return picture + (grain(dice, size) * strength)[:, None]


@lru_cache(maxsize=4096)
def glyph(seed: int, number: int) -> Glyph:
    """Return a class."""
    dice = Dice(key_of("glyphs: class", seed), number, number + 1, 64)
    count = 2 + int(dice.take(1)[0, 0] * (MOST_STROKES - 1))
    ends: list[Numbers] = []
    strokes = []
    for _ in range(count):
        attached, which, *rest = dice.take(7)[0]
        start = _grid_point(rest[0])
        if ends and attached < 0.55:
            start = ends[int(which * len(ends))]
        end = _grid_point(rest[1])
        while np.abs(end - start).max() < 2.5 * HALF_WIDTH / (GRID - 1):
            rest[1] = (
                rest[1] + 7 / GRID**2
            ) % 1  # 7 and 16 share no factor: every point's turn comes
            end = _grid_point(rest[1])
        chord = end - start
        across = np.array((-chord[1], chord[0]))
        bends = [BENDS[int(u * len(BENDS))] for u in rest[2:4]]
        if rest[4] < 0.7:  # an arc rather than an S
            bends[1] = bends[0]
        controls = [
            start + chord * t + across * b for t, b in zip((1 / 3, 2 / 3), bends, strict=True)
        ]
        strokes.append((start, *controls, end))
        ends += [start, end, sum((start, *controls, end)) / 4]
    return Glyph(np.array(strokes))


def _grid_point(u: float) -> Numbers:
    """Return a point of the grid by a number in [0, 1)."""
    row, column = divmod(int(u * GRID**2), GRID)
    return HALF_WIDTH * (np.array((column, row)) * 2.0 / (GRID - 1) - 1)


def jitter(dice: Dice) -> Numbers:
    """Return by how much the points of each stroke miss, ``(n, MOST_STROKES, 4, 2)``."""
    return dice.around(0.0, 0.14, MOST_STROKES * 8).reshape(-1, MOST_STROKES, 4, 2)


def posed(curves: Numbers, dice: Dice) -> Numbers:
    """Return curves, ``(n, strokes, 4, 2)``, turned, slanted, stretched and moved per image."""
    cosine, sine = turn(dice.around(0.0, 0.07))
    slant, wide, tall = dice.around(0.0, 0.3), dice.between(0.7, 1.1), dice.between(0.7, 1.1)
    x, y = (curves[..., i].reshape(len(curves), -1) for i in range(2))
    x, y = wide * (x + slant * y), tall * y
    moved = (
        cosine * x - sine * y + dice.around(0.0, 0.3),
        sine * x + cosine * y + dice.around(0.0, 0.3),
    )
    return np.stack(moved, axis=-1).reshape(curves.shape)


def polylines(curves: Numbers) -> Numbers:
    """Return points along Bézier curves, ``(n, strokes, PIECES + 1, 2)``."""
    t = (np.arange(PIECES + 1) / PIECES)[:, None]
    p0, p1, p2, p3 = (curves[:, :, i, None] for i in range(4))
    s = 1 - t
    return settled(s * s * s * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t * t * t * p3)


def distance(points: Numbers, size: int) -> Pixels:
    """Return how far each pixel lies from the nearest piece of a line, ``(n, size, size)``."""
    axis = centres(size)
    nearest = np.full((len(points), size, size), 64, dtype=np.float32)
    starts = points[:, :, :-1].reshape(len(points), -1, 2)
    ends = points[:, :, 1:].reshape(len(points), -1, 2)
    for piece in range(starts.shape[1]):
        start, along = starts[:, piece], ends[:, piece] - starts[:, piece]
        length = np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:]) + 2.0**-20
        unit = along / length
        # Where a pixel falls on the piece, and its square distance from the start: sums of a
        # term of the column and one of the row.
        dx, dy = (axis - start[:, i, None].astype(np.float32) for i in range(2))
        ux, uy = (unit[:, i, None].astype(np.float32) for i in range(2))
        foot = (dx * ux)[:, None, :] + (dy * uy)[:, :, None]
        square = (dx * dx)[:, None, :] + (dy * dy)[:, :, None]
        on_piece = np.clip(foot, 0, as_pixels(length))
        nearest = np.minimum(nearest, square + on_piece * (on_piece - 2 * foot))
    return np.sqrt(np.maximum(nearest, 0))
