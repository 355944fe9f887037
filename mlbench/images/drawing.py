"""Drawing with arithmetic that gives the same bytes on every machine.

Pixels see additions, subtractions, multiplications, divisions, square roots, comparisons and
roundings only, one array operation at a time: IEEE 754 fixes the result of each, so neither the
vector width nor the C library shows. A sine of a parameter does pass through the C library; it is
rounded to a grid that is far coarser than any two libraries' disagreement (:func:`settled`).

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
GRAIN = 28  # grains of the noise a side: one a pixel at the usual size


def key_of(*words: str | int) -> bytes:
    """Return the key of the random numbers that belong to these words."""
    return blake2b("\n".join(map(str, words)).encode(), digest_size=16).digest()


class Dice:
    """Random numbers, taken column by column: row i belongs to block ``start + i`` of a key.

    Args:
        key: As :func:`key_of` returns it.
        start: The first block.
        stop: One past the last block.
        width: Numbers per block. Part of what the numbers are, so a constant of the picture.
    """

    def __init__(self, key: bytes, start: int, stop: int, width: int) -> None:
        self.left = block_uniforms(key, start, stop, width)

    def take(self, columns: int) -> Numbers:
        """Return numbers in [0, 1), ``(rows, columns)``, that nobody else is given."""
        if columns > self.left.shape[1]:
            raise ValueError(f"{self.left.shape[1]} numbers a row are left, not {columns}")
        taken, self.left = self.left[:, :columns], self.left[:, columns:]
        return taken

    def between(self, low: float, high: float, columns: int = 1) -> Numbers:
        """Return numbers in [low, high), ``(rows, columns)``."""
        return low + (high - low) * self.take(columns)

    def around(self, centre: float, spread: float, columns: int = 1) -> Numbers:
        """Return numbers around a centre, denser near it and never further than ``spread``."""
        return centre + spread * (self.take(columns) + self.take(columns) - 1)


def settled(numbers: Numbers) -> Numbers:
    """Return the numbers rounded to multiples of 2^-20."""
    return np.round(numbers * 2.0**20) / 2.0**20


def turn(angle: Numbers) -> tuple[Numbers, Numbers]:
    """Return cosine and sine of an angle given in full turns."""
    radians = angle * (2 * np.pi)
    return settled(np.cos(radians)), settled(np.sin(radians))


def as_pixels(numbers: Numbers) -> Pixels:
    """Return one number per image, ``(n,)`` or ``(n, 1)``, to go with ``(n, height, width)``."""
    return numbers.astype(np.float32).reshape(-1, 1, 1)


def centres(size: int) -> Pixels:
    """Return where the centres of a row of pixels lie between -1 and 1, ``(size,)``."""
    return ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)


def coverage(depth: Pixels, pixel: Pixels | float) -> Pixels:
    """Return how much of each pixel lies inside an edge, in [0, 1].

    Args:
        depth: Distance to the edge, positive inside.
        pixel: The width of a pixel, in the same unit.
    """
    return np.clip(depth / pixel + np.float32(0.5), 0, 1)


def mix(below: Pixels, above: Pixels, cover: Pixels) -> Pixels:
    """Return ``above`` laid over ``below`` where ``cover`` is 1, and in between elsewhere."""
    return below + (above - below) * cover


def colour(hue: Numbers, saturation: Numbers, value: Numbers) -> Numbers:
    """Return red, green and blue, ``(n, 3)``, of ``(n, 1)`` each; hue counts in turns."""
    sector = np.mod(np.array((5.0, 3.0, 1.0)) + 6 * hue, 6.0)
    return value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)


def painted(below: Pixels, rgb: Numbers, cover: Pixels) -> Pixels:
    """Return ``(n, 3, height, width)`` with a colour, ``(n, 3)``, laid over it."""
    return mix(below, rgb.astype(np.float32)[:, :, None, None], cover[:, None])


def grain(dice: Dice, size: int) -> Pixels:
    """Return noise in [-1, 1) of a fixed fineness, ``(n, size, size)``: a lattice, interpolated."""
    lattice = dice.between(-1, 1, GRAIN * GRAIN).astype(np.float32).reshape(-1, GRAIN, GRAIN)
    place = np.clip((centres(size) + 1) * np.float32(GRAIN / 2) - np.float32(0.5), 0, GRAIN - 1)
    cell = np.minimum(place.astype(np.int64), GRAIN - 2)
    along = place - cell.astype(np.float32)
    rows = mix(lattice[:, cell], lattice[:, cell + 1], along[:, None])
    return mix(rows[:, :, cell], rows[:, :, cell + 1], along)
