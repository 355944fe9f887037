"""The images of a split: classes in an array that may be shared, turned or resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlbench.images.recipe import GREY


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The images of one split, each class's one after the other.

    An index of image ``i + n * len(images)`` stands for image i turned by n quarters, so that a
    class may be another one turned.

    Args:
        images: uint8, ``(images, height, width, channels)``; may be memory-mapped, and may hold
            images of other splits, too.
        class_names: One a class.
        class_sizes: Images of each class.
        class_starts: The index of each class's first image; by default, classes follow each other.
    """

    images: NDArray[np.uint8]
    class_names: tuple[str, ...]
    class_sizes: tuple[int, ...]
    class_starts: tuple[int, ...] | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return ``(channels, height, width)``, as a learner sees an image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    @property
    def count(self) -> int:
        """Return the number of images."""
        return sum(self.class_sizes)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Return the images of each class, ``(classes,)``."""
        return np.array(self.class_sizes, dtype=np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Return where each class begins, ``(classes,)``."""
        if self.class_starts is not None:
            return np.array(self.class_starts, dtype=np.int64)
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Return the index of every image, class after class, ``(images,)``."""
        within = np.arange(self.count) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        return np.repeat(self.starts, self.sizes) + within

    def only(self, names: Sequence[str]) -> ImageSplit:
        """Return some of the classes, in the order given, of the same array."""
        places = [self.class_names.index(name) for name in names]
        sizes = tuple(self.class_sizes[place] for place in places)
        starts = tuple(int(self.starts[place]) for place in places)
        return ImageSplit(self.images, tuple(names), sizes, starts)

    def turned(self) -> ImageSplit:
        """Return these classes, and each of them turned by one, two and three quarters.

        Turned classes have a name, a colon and their degrees, counter-clockwise.
        """
        turns = range(4)
        names = [
            f"{name}:{90 * turn}" if turn else name for name in self.class_names for turn in turns
        ]
        starts = [int(start) + turn * len(self.images) for start in self.starts for turn in turns]
        sizes = [size for size in self.class_sizes for _ in turns]
        return ImageSplit(self.images, tuple(names), tuple(sizes), tuple(starts))

    def gather(self, indices: NDArray[np.int64], images: Tensor | None = None) -> Tensor:
        """Return images by their indices, uint8, ``(*indices.shape, channels, height, width)``.

        Args:
            indices: Of any shape.
            images: :attr:`images` as a tensor, on the device where the result is to be.
        """
        if images is None:
            images = torch.from_numpy(self.images)
        turns, rows = np.divmod(indices, max(1, len(self.images)))
        chosen = torch.from_numpy(rows.ravel()).to(images.device, non_blocking=True)
        flat = images[chosen].movedim(-1, 1)
        for turn in range(1, 4):
            places = np.flatnonzero(turns == turn)
            if len(places):
                chosen = torch.from_numpy(places).to(images.device, non_blocking=True)
                flat[chosen] = torch.rot90(flat[chosen], turn, dims=(-2, -1))
        return flat.reshape(*indices.shape, *flat.shape[1:])

    def as_shape(self, shape: tuple[int, ...]) -> ImageSplit:
        """Return these images at ``(channels, height, width)``: antialiased bicubic, then colour.

        Grey from colour is the luma of ITU-R 601; colour from grey repeats it.
        """
        channels, height, width = shape
        if shape == self.input_shape:
            return self
        from torchvision.transforms.v2 import functional as transforms  # two seconds to import

        images = np.empty((self.count, height, width, channels), dtype=np.uint8)
        for start in range(0, len(images), 256):
            chunk = self.gather(self.indices[start : start + 256])
            if self.input_shape[1:] != (height, width):
                chunk = transforms.resize(
                    chunk,
                    [height, width],
                    interpolation=transforms.InterpolationMode.BICUBIC,
                    antialias=True,
                )
            images[start : start + 256] = recolour(chunk, channels).movedim(1, -1).numpy()
        return ImageSplit(images, self.class_names, self.class_sizes)


def recolour(pixels: Tensor, channels: int) -> Tensor:
    """Return ``(n, c, height, width)`` uint8 pixels with 1 or 3 channels."""
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(-1, 3, -1, -1)
    weights = torch.tensor(GREY)[:, None, None]
    return (pixels * weights).sum(1, keepdim=True).round().to(torch.uint8)
