"""Data sets that are drawn, not stored: any number of classes, at any size, the same everywhere."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlbench.contract import SPLITS, Dataset, Hyper, Split, hp
from mlbench.images.dataset import ImageDataset
from mlbench.images.drawing import Pixels
from mlbench.images.recipe import GREY
from mlbench.images.split import ImageSplit

CHUNK = 1 << 17  # pixels drawn at once: what the intermediate arrays of a drawing keep in cache
PROBES = 64  # classes per split that the fingerprint looks at


@dataclass(frozen=True, kw_only=True)
class GeneratedOptions(Hyper):
    """How much is drawn, and in which form."""

    image_size: int = hp(28, "pixels a side", at_least=8)
    channels: int = hp(3, "3 for colour, 1 for grey", one_of=(1, 3))
    train_classes: int = hp(64, "classes to meta-train on", at_least=1)
    validation_classes: int = hp(16, "classes to validate on", at_least=1)
    test_classes: int = hp(20, "classes to test on", at_least=1)
    images_per_class: int = hp(60, "images of each class", at_least=1)
    seed: int = hp(0, "another seed gives other classes", at_least=0)


class GeneratedImages(ImageDataset):
    """Classes numbered through the splits: class c is a pure function of (name, seed, c).

    Image i of a class is one of (name, seed, c, i): neither the numbers of classes and images nor
    the image size change what a picture shows.
    """

    Options: ClassVar[type[Hyper]] = GeneratedOptions
    options: GeneratedOptions

    @abstractmethod
    def class_name(self, number: int) -> str:
        """Return what to call a class."""

    @abstractmethod
    def paint(self, number: int, start: int, stop: int) -> Pixels:
        """Return images ``start`` to ``stop - 1`` of a class, ``(n, 3, height, width)``.

        Values beyond [0, 1] are cut off. Only operations of :mod:`mlbench.images.drawing`'s kind
        keep the pictures the same everywhere.
        """

    def numbers(self, split: Split) -> range:
        """Return which classes make a split."""
        options = self.options
        sizes = options.train_classes, options.validation_classes, options.test_classes
        place = SPLITS.index(split)
        return range(sum(sizes[:place]), sum(sizes[: place + 1]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(channels, height, width)``."""
        return self.options.channels, self.options.image_size, self.options.image_size

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash of the options and of the first image of classes of every split.

        An image differs from its neighbours by the random numbers it is given and nothing else, so
        an edit of the generator shows in the first one. This costs a hundredth of drawing all, and
        reformatting the source leaves results comparable.
        """
        digest = sha256(repr((self.name, sorted(self.options.values().items()))).encode())
        for split in SPLITS:
            numbers = self.numbers(split)
            for number in numbers[:: -(-len(numbers) // PROBES)]:
                digest.update(self.render(number, 0, 1).tobytes())
        return digest.hexdigest()

    def like(self, shape: tuple[int, ...]) -> Dataset:
        """Return the same pictures, drawn at another size or in grey."""
        channels, height, width = shape if len(shape) == 3 else (0, 0, 0)
        if channels not in {1, 3} or height != width:
            return super().like(shape)
        if shape == self.input_shape:
            return self
        return type(self)(replace(self.options, image_size=height, channels=channels))

    def load(self, split: Split) -> ImageSplit:
        """Draw the images of a split."""
        numbers, each = self.numbers(split), self.options.images_per_class
        channels, size, _ = self.input_shape
        images = np.empty((len(numbers) * each, size, size, channels), dtype=np.uint8)
        for place, number in enumerate(numbers):
            images[place * each : (place + 1) * each] = self.render(number, 0, each)
        names = tuple(map(self.class_name, numbers))
        return ImageSplit(images, names, (each,) * len(numbers))

    def render(self, number: int, start: int, stop: int) -> NDArray[np.uint8]:
        """Return images of a class, ``(n, height, width, channels)``."""
        channels, size, _ = self.input_shape
        images = np.empty((stop - start, size, size, channels), dtype=np.uint8)
        step = max(1, CHUNK // size**2)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            picture = self.paint(number, first, last)
            if channels == 1:
                red, green, blue = (picture[:, i] * np.float32(GREY[i]) for i in range(3))
                picture = (red + green + blue)[:, None]
            levels = np.clip(picture * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
            images[first - start : last - start] = levels.transpose(0, 2, 3, 1)
        return images
