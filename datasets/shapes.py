"""Generated objects: a class is an outline with a texture and a palette, an image one view of it.

Nothing is downloaded. Every family of outlines meets every family of textures once in as many
consecutive classes as there are pairs, each time with other proportions and colours.
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
    as_colour,
    as_pixels,
    centres,
    colour,
    coverage,
    grain,
    key_of,
    mix,
    turn,
)
from mlbench.images.generated import GeneratedImages
from mlbench.images.outlines import OUTLINES, depth_at, depth_map
from mlbench.images.textures import TEXTURES, Surface

IMAGE_NUMBERS = 64 + GRAIN**2  # random numbers that an image may use
BLOBS = 3  # that clutter the background
HUE_SPREAD = 0.16  # in turns: how far an image's hues stray from its class's
DARK, LIGHT = (0.1, 0.5), (0.65, 1.0)  # values of the two colours of a texture


class Shape(NamedTuple):
    """A class.

    Args:
        outline: The name of its family.
        texture: The name of its family.
        depths: The distance to the outline on a lattice.
        tuning: What the texture is told, four numbers in [0, 1).
        hues: Of the texture's dark and light colour, in turns.
    """

    outline: str
    texture: str
    depths: Pixels
    tuning: Numbers
    hues: Numbers


class Shapes(GeneratedImages):
    """Coloured, textured objects, turned, scaled and moved, in front of clutter."""

    name = "shapes"
    source = "generated: 12 families of outlines x 9 of textures"

    def class_name(self, number: int) -> str:
        """Return ``striped star 17`` or the like."""
        shape = shape_of(self.options.seed, number)
        return f"{shape.texture} {shape.outline} {number}"

    def paint(self, number: int, start: int, stop: int) -> Pixels:
        """Return views of an object, ``(n, 3, height, width)``."""
        size, seed = self.options.image_size, self.options.seed
        shape = shape_of(seed, number)
        dice = Dice(key_of("shapes", seed, "image", number), start, stop, IMAGE_NUMBERS)
        surface = view(shape, dice, size)
        tone = TEXTURES[shape.texture](surface, shape.tuning)
        dark, light = tones(shape.hues, dice)
        cover = coverage(surface.depth, surface.pixel)
        picture = mix(clutter(dice, size), mix(dark, light, tone[:, None]), cover[:, None])
        lit: Pixels = 1 + as_pixels(dice.around(0.0, 0.3)) * centres(size)
        strength = as_pixels(dice.between(0.02, 0.1))
        picture = picture * lit[:, None]
        return picture + (grain(dice, size) * strength)[:, None]


@lru_cache(maxsize=1024)
def shape_of(seed: int, number: int) -> Shape:
    """Return a class."""
    outline, texture = pair_of(seed, number)
    dice = Dice(key_of("shapes", seed, "class"), number, number + 1, 8)
    depths = depth_map(OUTLINES[outline](dice.take(2)[0]))
    depths.setflags(write=False)
    return Shape(outline, texture, depths, dice.take(4)[0], dice.take(2)[0])


def pair_of(seed: int, number: int) -> tuple[str, str]:
    """Return the families of a class: all pairs, shuffled, and again in another order."""
    pairs = [(outline, texture) for outline in OUTLINES for texture in TEXTURES]
    deck, place = divmod(number, len(pairs))
    numbers = Dice(key_of("shapes", seed, "pairs"), deck, deck + 1, len(pairs)).take(len(pairs))
    return pairs[int(np.argsort(numbers[0], kind="stable")[place])]


def view(shape: Shape, dice: Dice, size: int) -> Surface:
    """Return where the pixels of each image lie on the object."""
    axis, scale = centres(size), dice.between(0.45, 0.8)
    cosine, sine = (as_pixels(part / scale) for part in turn(dice.around(0.0, 0.12)))
    x = axis - as_pixels(dice.around(0.0, 0.4))
    y = axis[:, None] - as_pixels(dice.around(0.0, 0.4))
    x, y = cosine * x + sine * y, cosine * y - sine * x
    return Surface(x, y, depth_at(shape.depths, x, y), as_pixels(2 / size / scale))


def tones(hues: Numbers, dice: Dice) -> tuple[Pixels, Pixels]:
    """Return the dark and the light colour of each image, near a class's hues."""

    def near(hue: float, low: float, high: float) -> Pixels:
        hues = np.mod(dice.around(hue, HUE_SPREAD), 1.0)
        return as_colour(colour(hues, dice.between(0.4, 0.95), dice.between(low, high)))

    return near(hues[0], *DARK), near(hues[1], *LIGHT)


def clutter(dice: Dice, size: int) -> Pixels:
    """Return a plain ground with a few ellipses, ``(n, 3, size, size)``."""
    axis = centres(size)
    picture = any_colour(dice)
    for _ in range(BLOBS):
        wide, tall = (as_pixels(dice.between(0.15, 0.6)) for _ in range(2))
        x = (axis - as_pixels(dice.between(-1.1, 1.1))) / wide
        y = (axis[:, None] - as_pixels(dice.between(-1.1, 1.1))) / tall
        depth = (1 - np.sqrt(x * x + y * y)) * np.minimum(wide, tall)
        picture = mix(picture, any_colour(dice), coverage(depth, 2 / size)[:, None])
    return picture


def any_colour(dice: Dice) -> Pixels:
    """Return a colour that tells nothing of the class."""
    return as_colour(colour(dice.take(1), dice.between(0.1, 0.8), dice.between(0.15, 0.95)))
