"""Generated objects: a class is an outline with a texture and a palette, an image one view of it.

Nothing is downloaded. Twelve families of outlines meet nine of textures, each with continuous
parameters of its own; every pair of families occurs once in 108 consecutive classes.
"""

from __future__ import annotations

from collections.abc import Callable
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
    mix,
    painted,
    settled,
    turn,
)
from mlbench.images.generated import GeneratedImages

VERTICES = 48  # of an outline that is a curve
MAP = 64  # samples a side of the distance map of an outline
REACH = 1.25  # the map spans the square from -REACH to REACH; an outline's radius is about 1
BLOBS = 3  # that clutter the background
HUE_SPREAD = 0.12


class Shape(NamedTuple):
    """A class.

    Args:
        outline: The name of its family.
        texture: The name of its family.
        depth: The distance to the outline, positive inside, ``(MAP, MAP)``.
        tuning: What the texture may use, numbers in [0, 1).
        hues: Of the two colours of the texture, in turns.
    """

    outline: str
    texture: str
    depth: Pixels
    tuning: Numbers
    hues: Numbers


class Shapes(GeneratedImages):
    """Coloured, textured objects at any place and angle, before clutter."""

    name = "shapes"
    source = "generated"

    def class_name(self, number: int) -> str:
        """Return ``striped star 17`` or the like."""
        shape = shape_of(self.options.seed, number)
        return f"{shape.texture} {shape.outline} {number}"

    def paint(self, number: int, start: int, stop: int) -> Pixels:
        """Show an object several times, ``(n, 3, height, width)``."""
        size, seed = self.options.image_size, self.options.seed
        shape = shape_of(seed, number)
        dice = Dice(key_of("shapes: image", seed, number), start, stop, 128 + GRAIN**2)
        picture = background(dice, size)
        scale = dice.between(0.5, 0.8)
        u, v = placed(dice, scale, size)
        pixel = as_pixels(2 / size / scale)
        depth = sampled(shape.depth, u, v)
        tone = TEXTURES[shape.texture](u, v, depth, pixel, shape.tuning)
        first, second = tones(shape.hues, dice)
        surface = mix(
            *(rgb.astype(np.float32)[:, :, None, None] for rgb in (first, second)), tone[:, None]
        )
        picture = mix(picture, surface, coverage(depth, pixel)[:, None])
        light = 1 + as_pixels(dice.around(0.0, 0.3)) * u
        strength = as_pixels(dice.between(0.02, 0.1))
        return picture * light[:, None] + (grain(dice, size) * strength)[:, None]


def placed(dice: Dice, scale: Numbers, size: int) -> tuple[Pixels, Pixels]:
    """Return where the pixels of each image lie on the object, ``(n, size, size)`` twice."""
    axis = centres(size)
    cosine, sine = (as_pixels(part / scale) for part in turn(dice.around(0.0, 0.12)))
    x = axis[None, None, :] - as_pixels(dice.around(0.0, 0.35))
    y = axis[None, :, None] - as_pixels(dice.around(0.0, 0.35))
    return cosine * x + sine * y, cosine * y - sine * x


def background(dice: Dice, size: int) -> Pixels:
    """Return a plain ground with a few soft ellipses, ``(n, 3, size, size)``."""
    axis = centres(size)
    ground = any_colour(dice).astype(np.float32)[:, :, None, None]
    picture = np.broadcast_to(ground, (*ground.shape[:2], size, size))
    for _ in range(BLOBS):
        x = axis[None, None, :] - as_pixels(dice.between(-1.1, 1.1))
        y = axis[None, :, None] - as_pixels(dice.between(-1.1, 1.1))
        wide, tall = (as_pixels(dice.between(0.15, 0.6)) for _ in range(2))
        x, y = x / wide, y / tall
        depth = (1 - np.sqrt(x * x + y * y)) * np.minimum(wide, tall)
        picture = painted(picture, any_colour(dice), coverage(depth, 2 / size))
    return picture


def any_colour(dice: Dice) -> Numbers:
    """Return a colour that tells nothing of the class, ``(n, 3)``."""
    return colour(dice.take(1), dice.between(0.1, 0.8), dice.between(0.15, 0.95))


def tones(hues: Numbers, dice: Dice) -> tuple[Numbers, Numbers]:
    """Return the dark and the light colour of each image, ``(n, 3)`` each, near a class's hues."""
    dark, light = (
        colour(
            np.mod(hue + dice.around(0.0, HUE_SPREAD), 1.0),
            dice.between(0.4, 0.95),
            dice.between(*values),
        )
        for hue, values in zip(hues, ((0.1, 0.5), (0.65, 1.0)), strict=True)
    )
    return dark, light


def sampled(depth: Pixels, u: Pixels, v: Pixels) -> Pixels:
    """Return a distance map at points of the plane, interpolated linearly."""
    last = MAP - 1
    x, y = (np.clip((w + REACH) * np.float32(last / (2 * REACH)), 0, last) for w in (u, v))
    column, row = (np.minimum(w.astype(np.int32), last - 1) for w in (x, y))
    x, y = x - column.astype(np.float32), y - row.astype(np.float32)
    flat, at = depth.ravel(), row * MAP + column
    above = mix(flat[at], flat[at + 1], x)
    below = mix(flat[at + MAP], flat[at + MAP + 1], x)
    return mix(above, below, y)


@lru_cache(maxsize=4096)
def shape_of(seed: int, number: int) -> Shape:
    """Return a class; it must not be written to."""
    pairs = [(outline, texture) for outline in OUTLINES for texture in TEXTURES]
    deck, place = divmod(number, len(pairs))
    shuffled = Dice(key_of("shapes: pairs", seed), deck, deck + 1, len(pairs)).take(len(pairs))[0]
    outline, texture = pairs[int(np.argsort(shuffled, kind="stable")[place])]
    dice = Dice(key_of("shapes: class", seed), number, number + 1, 16)
    corners = OUTLINES[outline](dice.take(4)[0])
    return Shape(outline, texture, depth_map(corners), dice.take(4)[0], dice.take(2)[0])


def depth_map(corners: Numbers) -> Pixels:
    """Return the distance to a polygon, positive inside, ``(MAP, MAP)``; ``corners``: ``(n, 2)``."""
    corners = settled(corners).astype(np.float32)
    axis = centres(MAP) * np.float32(REACH * MAP / (MAP - 1))
    ax, ay = (corners[:, i, None, None] for i in range(2))
    bx, by = (np.roll(part, -1, axis=0) for part in (ax, ay))
    ex, ey = bx - ax, by - ay
    wx, wy = axis[None, None, :] - ax, axis[None, :, None] - ay
    along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
    dx, dy = wx - ex * along, wy - ey * along
    distance = np.sqrt((dx * dx + dy * dy).min(axis=0))
    upward, downward = (
        (ay <= axis[:, None]) & (axis[:, None] < by),
        (by <= axis[:, None]) & (axis[:, None] < ay),
    )
    left = ex * wy > ey * wx
    inside = np.logical_xor.reduce((upward & left) | (downward & ~left), axis=0)
    return np.where(inside, distance, -distance)


def angles(count: int) -> tuple[Numbers, Numbers]:
    """Return cosines and sines of equal steps around a circle, the first one upwards."""
    return turn(np.arange(count) / count - 0.25)


def polar(radius: Numbers) -> Numbers:
    """Return corners at these radii, at equal steps of the angle, ``(n, 2)``."""
    cosine, sine = angles(len(radius))
    return np.stack((radius * cosine, radius * sine), axis=1)


def polygon(p: Numbers) -> Numbers:
    """Return a triangle to an octagon."""
    return polar(np.ones(3 + int(p[0] * 4))) * (1.0, 0.75 + 0.25 * p[1])


def star(p: Numbers) -> Numbers:
    """Return a star of four to seven points."""
    return polar(np.tile((1.1, 0.35 + 0.25 * p[1]), 4 + int(p[0] * 4)))


def ellipse(p: Numbers) -> Numbers:
    """Return an ellipse."""
    return polar(np.ones(VERTICES)) * (1.0, 0.45 + 0.4 * p[0])


def rounded(p: Numbers) -> Numbers:
    """Return a superellipse between square and circle."""
    c, s = np.abs(angles(VERTICES))
    power = 4.0 + 3 * p[0]
    return polar(0.9 / (c**power + s**power) ** (1 / power)) * (1.0, 0.7 + 0.3 * p[1])


def gear(p: Numbers) -> Numbers:
    """Return a wheel of square teeth."""
    high, low = 1.0, 0.65 + 0.15 * p[1]
    return polar(np.tile((high, high, low, low), 6 + int(p[0] * 4)))


def flower(p: Numbers) -> Numbers:
    """Return three to six round petals."""
    petals = 3 + int(p[0] * 4)
    wave, _ = turn(petals * np.arange(VERTICES) / VERTICES)
    return polar(0.75 + (0.2 + 0.1 * p[1]) * wave)


def crescent(p: Numbers) -> Numbers:
    """Return a moon: an arc, and a flatter one back."""
    cosine, sine = turn(np.linspace(0.0, 0.5, VERTICES // 2))
    bite = 0.05 + 0.4 * p[0]
    outer, inner = np.stack((cosine, sine), axis=1), np.stack((-cosine, bite * sine), axis=1)
    return (np.concatenate((outer, inner[1:-1])) - (0.0, 0.5)) * (1.0, 1.2)


def cross(p: Numbers) -> Numbers:
    """Return a plus, its arms of any width."""
    w, h = 0.2 + 0.25 * p[0], 0.2 + 0.25 * p[1]
    quarter = [(w, 1), (w, h), (1, h)]
    half = [*quarter, *((x, -y) for x, y in reversed(quarter))]
    return np.array([*half, *((-x, -y) for x, y in half)])


def arrow(p: Numbers) -> Numbers:
    """Return an arrow that points up."""
    shaft, neck = 0.15 + 0.25 * p[0], -0.3 + 0.5 * p[1]
    right = [(0, -1), (0.85, neck), (shaft, neck), (shaft, 1)]
    return np.array([*right, *((-x, y) for x, y in reversed(right[1:]))], dtype=float)


def corner(p: Numbers) -> Numbers:
    """Return an L."""
    w, h = -0.9 + 0.5 + 0.4 * p[0], 0.9 - 0.5 - 0.4 * p[1]
    return np.array([(-0.9, -0.9), (w, -0.9), (w, h), (0.9, h), (0.9, 0.9), (-0.9, 0.9)])


def drop(p: Numbers) -> Numbers:
    """Return a drop: round below, pointed above."""
    cosine, sine = turn(np.arange(VERTICES) / VERTICES)
    narrow = (0.5 + 0.3 * p[0]) * (1 + cosine) / 2 + 0.25 * p[1]
    return np.stack((sine * narrow * 1.1, cosine), axis=1)


def bolt(p: Numbers) -> Numbers:
    """Return a zigzag of lightning."""
    t, w = 0.1 + 0.3 * p[0], 0.5 + 0.4 * p[1]
    half = [(-w * 0.3, -1.0), (w, -1.0), (0.3 * w, -t), (w, -t)]
    return np.array([*half, *((-x, -y) for x, y in half)])


Texture = Callable[[Pixels, Pixels, Pixels, Pixels, Numbers], Pixels]


def wave(x: Pixels) -> Pixels:
    """Return the distance to the nearest whole number, in [0, 0.5]."""
    return np.abs(x - np.round(x))


def bands(x: Pixels, frequency: float, duty: float, pixel: Pixels) -> Pixels:
    """Return stripes across x, ``frequency`` to a unit, a part ``duty`` of each period dark."""
    return coverage(
        (wave(x * np.float32(frequency)) - np.float32(duty / 2)) / np.float32(frequency), pixel
    )


def oriented(u: Pixels, v: Pixels, p: float) -> tuple[Pixels, Pixels]:
    """Return the plane turned by up to half a turn."""
    cosine, sine = (np.float32(part) for part in turn(np.asarray(p / 2)))
    return cosine * u + sine * v, cosine * v - sine * u


def plain(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return one tone."""
    return np.full_like(u, float(p[0] < 0.5))


def rimmed(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return a rim around the other tone."""
    tone = coverage(depth - np.float32(0.12 + 0.12 * p[1]), pixel)
    return tone if p[0] < 0.5 else 1 - tone


def striped(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return straight stripes at any angle."""
    x, _ = oriented(u, v, p[0])
    return bands(x, 1.0 + 1.2 * p[1], 0.35 + 0.3 * p[2], pixel)


def ringed(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return rings around the middle."""
    return bands(np.sqrt(u * u + v * v) + np.float32(p[0]), 1.2 + 1.0 * p[1], 0.5, pixel)


def checked(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return a chessboard."""
    frequency = 0.8 + 0.6 * p[1]
    x, y = (bands(w, frequency, 0.5, pixel) for w in oriented(u, v, p[0]))
    return mix(x, 1 - x, y)


def dotted(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return dots on a square lattice."""
    frequency = np.float32(1.1 + 0.7 * p[1])
    x, y = (wave(w * frequency) / frequency for w in oriented(u, v, p[0]))
    tone = coverage(np.sqrt(x * x + y * y) - np.float32(0.28 + 0.1 * p[2]) / frequency, pixel)
    return tone if p[3] < 0.5 else 1 - tone


def netted(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return thin lines both ways."""
    frequency = 1.1 + 0.7 * p[1]
    x, y = (bands(w, frequency, 0.3, pixel) for w in oriented(u, v, p[0]))
    return x * y if p[3] < 0.5 else 1 - x * y


def zigzag(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return stripes that go to and fro."""
    x, y = oriented(u, v, p[0])
    return bands(x + wave(y) * np.float32(0.6 + 0.6 * p[2]), 1.1 + 0.8 * p[1], 0.5, pixel)


def shaded(u: Pixels, v: Pixels, depth: Pixels, pixel: Pixels, p: Numbers) -> Pixels:
    """Return a passage from one tone to the other."""
    x, _ = oriented(u, v, p[0])
    x = x if p[1] < 0.5 else -x
    return np.clip(x * np.float32(0.6) + np.float32(0.5), 0, 1)


OUTLINES: dict[str, Callable[[Numbers], Numbers]] = {
    family.__name__: family
    for family in (
        polygon,
        star,
        ellipse,
        rounded,
        gear,
        flower,
        crescent,
        cross,
        arrow,
        corner,
        drop,
        bolt,
    )
}
TEXTURES: dict[str, Texture] = {
    family.__name__: family
    for family in (plain, rimmed, striped, ringed, checked, dotted, netted, zigzag, shaded)
}
