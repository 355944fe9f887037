"""Drawing with arithmetic that gives the same bytes on every machine.

Pixels see additions, subtractions, multiplications, divisions, square roots, comparisons and
roundings only, one array operation at a time: IEEE 754 fixes the result of each, so neither the
width of vectors nor the C library shows. Sine, cosine and powers of parameters do pass through the
C library; they are rounded to a grid far coarser than its last digit (:func:`settled`).

A picture is a function of the plane, a square from -1 to 1 with y downwards; an image samples it
at the centres of its pixels, so the same picture can be had at any size.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mlbench.episodes import block_uniforms

Numbers = NDArray[np.float64]
Pixels = NDArray[np.float32]
GRAIN = 28  # grains of noise a side: one a pixel at the usual size


def key_of(*words: str | int) -> bytes:
    """Return the key of the random numbers that belong to these words."""
    return blake2b("\n".join(map(str, words)).encode(), digest_size=16).digest()


class Dice:
    """Random numbers by column, each given once: row i belongs to block ``start + i`` of a key.

    Args:
        key: As :func:`key_of` returns it.
        start: The first block.
        stop: One past the last block.
        width: Numbers per block; of another width, the numbers are others.
    """

    def __init__(self, key: bytes, start: int, stop: int, width: int) -> None:
        self.left = block_uniforms(key, start, stop, width)

    def take(self, columns: int) -> Numbers:
        """Return numbers in [0, 1), ``(rows, columns)``."""
        if columns > self.left.shape[1]:
            raise ValueError(f"{self.left.shape[1]} numbers a row are left, not {columns}")
        taken, self.left = self.left[:, :columns], self.left[:, columns:]
        return taken

    def between(self, low: float, high: float, columns: int = 1) -> Numbers:
        """Return numbers in [low, high), ``(rows, columns)``."""
        return low + (high - low) * self.take(columns)

    def around(self, centre: float, spread: float, columns: int = 1) -> Numbers:
        """Return numbers within ``spread`` of a centre, rarer far from it, ``(rows, columns)``."""
        return centre + spread * (self.take(columns) + self.take(columns) - 1)


def settled(numbers: Numbers) -> Numbers:
    """Return the numbers rounded to multiples of 2^-20."""
    rounded: Numbers = np.round(numbers * 2.0**20) / 2.0**20
    return rounded


def turn(angle: Numbers) -> tuple[Numbers, Numbers]:
    """Return cosine and sine of an angle given in full turns."""
    radians = angle * (2 * np.pi)
    return settled(np.cos(radians)), settled(np.sin(radians))


def centres(size: int) -> Pixels:
    """Return where the centres of a row of pixels lie between -1 and 1, ``(size,)``."""
    return ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)


def as_pixels(numbers: Numbers) -> Pixels:
    """Return a number per image, ``(n, 1)``, as ``(n, 1, 1)``: it goes with all its pixels."""
    return numbers.astype(np.float32)[:, :, None]


def as_colour(rgb: Numbers) -> Pixels:
    """Return a colour per image, ``(n, 3)``, as ``(n, 3, 1, 1)``: it goes with all its pixels."""
    return rgb.astype(np.float32)[:, :, None, None]


def colour(hue: Numbers, saturation: Numbers, value: Numbers) -> Numbers:
    """Return red, green and blue, ``(n, 3)``, of ``(n, 1)`` each; hue counts in turns."""
    sector = np.mod(np.array((5.0, 3.0, 1.0)) + 6 * hue, 6.0)
    rgb: Numbers = value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return rgb


def coverage(depth: Pixels, pixel: Pixels | float) -> Pixels:
    """Return how much of each pixel lies inside an edge, in [0, 1].

    Args:
        depth: Distance to the edge, positive inside.
        pixel: The width of a pixel, in the same unit.
    """
    inside: Pixels = np.clip(depth / pixel + np.float32(0.5), 0, 1)
    return inside


def mix(below: Pixels, above: Pixels, cover: Pixels) -> Pixels:
    """Return ``above`` where ``cover`` is 1, ``below`` where it is 0, and in between elsewhere."""
    return below + (above - below) * cover


def grain(dice: Dice, size: int) -> Pixels:
    """Return noise in [-1, 1), ``(n, size, size)``: a lattice of fixed fineness, interpolated."""
    lattice = dice.between(-1, 1, GRAIN * GRAIN).astype(np.float32).reshape(-1, GRAIN, GRAIN)
    place = np.clip((centres(size) + 1) * np.float32(GRAIN / 2) - np.float32(0.5), 0, GRAIN - 1)
    cell = np.minimum(place.astype(np.int64), GRAIN - 2)
    along = place - cell.astype(np.float32)
    rows = mix(lattice[:, cell], lattice[:, cell + 1], along[:, None])
    return mix(rows[:, :, cell], rows[:, :, cell + 1], along)
