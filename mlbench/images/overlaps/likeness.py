"""Whether packed images look alike, whatever their size and brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench.images.recipe import GREY, Recipe

SIDE = 16  # of a small grey copy
LUMA = np.array(GREY, dtype=np.float32)
CHUNK = 256  # images read at once
FLAT = 0.5  # levels; a copy that deviates less from its mean shows nothing


class SmallCopies:
    """Small grey copies of packed images, made when they are asked for and kept, 1 kB each.

    The product of two of them is their correlation. A flat image's is zero.

    Args:
        pixels: uint8, ``(images, height, width, channels)``.
        recipe: How they were made.
    """

    def __init__(self, pixels: NDArray[np.uint8], recipe: Recipe) -> None:
        self.pixels = pixels
        self.sign = -1 if recipe.invert else 1
        self.areas = areas(recipe.image_size)
        self.made = np.zeros(len(pixels), dtype=bool)
        self.copies = np.zeros((len(pixels), SIDE**2), dtype=np.float32)

    def of(self, images: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the copies of some images, ``(n, SIDE * SIDE)``; an image may be among them twice.

        Args:
            images: Their places, ``(n,)``.
        """
        missing = np.unique(images[~self.made[images]])
        for start in range(0, len(missing), CHUNK):
            some = missing[start : start + CHUNK]
            self.copies[some] = self.sign * self.normalised(self.pixels[some])
        self.made[missing] = True
        copies: NDArray[np.float32] = self.copies[images]
        return copies

    def normalised(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return copies with mean 0 and length 1, ``(n, SIDE * SIDE)``."""
        channels = pixels.shape[-1]
        grey = pixels @ LUMA if channels == 3 else pixels[..., 0].astype(np.float32)
        small = (self.areas @ grey @ self.areas.T).reshape(len(pixels), -1)
        small -= small.mean(axis=1, keepdims=True)
        length = np.linalg.norm(small, axis=1, keepdims=True)
        small[length[:, 0] < FLAT * SIDE] = 0
        return np.asarray(small / np.maximum(length, 1), dtype=np.float32)


def areas(size: int) -> NDArray[np.float32]:
    """Return the shares of pixels in the average over each part of a side, ``(SIDE, size)``."""
    edges = np.arange(SIDE + 1)[:, None] * size / SIDE
    covered = np.clip(edges - np.arange(size), 0, 1)
    return np.asarray(np.diff(covered, axis=0) * SIDE / size, dtype=np.float32)


def same_part(one: Recipe, other: Recipe) -> bool:
    """Return whether two recipes leave the same part of an image, so that pixels can be compared.

    Two bounding boxes of one image may be two people's.
    """
    whole = one.crop == other.crop == "none"
    return whole and (one.resize == "resize-crop") == (other.resize == "resize-crop")
