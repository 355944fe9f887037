"""My images: blots of ink, generated (say here what yours are, in one line).

Source: yours. Below the line, say where they come from and how they are split into classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlbench.contract import SPLITS, Hyper, Split, hp
from mlbench.episodes import block_uniforms
from mlbench.images import ImageDataset, ImageSplit

KEY = b"my_images".ljust(16)[:16]  # 16 bytes from which all random numbers follow


@dataclass(frozen=True, kw_only=True)
class MyImagesOptions(Hyper):
    """A value, a line of help and limits each; ``--set my_images.image_size=84`` changes one."""

    image_size: int = hp(28, "pixels a side", at_least=16)
    classes: int = hp(20, "classes of each split", at_least=2)
    images_per_class: int = hp(30, "images of each class", at_least=2)


class MyImages(ImageDataset):
    """What 'mlbench list' and 'mlbench describe' know: a name, a source, the parts below."""

    name = "my_images"
    source = "yours"
    Options = MyImagesOptions
    options: MyImagesOptions

    @property
    def fingerprint(self) -> str:
        """Return what tells these images from all others: with other pixels, change it.

        Of files, this would be a hash of their contents.
        """
        options = self.options
        size = f"{options.image_size} {options.classes}x{options.images_per_class}"
        return f"my_images, version 1, {size}"

    def load(self, split: Split) -> ImageSplit:
        """Return the images of a split, class after class: your own go here.

        Read each class's images into an array of uint8, ``(n, height, width, channels)``, all
        classes of a split below one another, e.g. with ``np.asarray(PIL.Image.open(file))``. A
        class belongs to one split alone; its name tells it from the others.
        """
        options = self.options
        first = SPLITS.index(split) * options.classes
        numbers = range(first, first + options.classes)
        return ImageSplit(
            images=np.concatenate([self.draw_class(number) for number in numbers]),
            class_names=tuple(f"blot {number}" for number in numbers),
            class_sizes=(options.images_per_class,) * options.classes,
        )

    def draw_class(self, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Return the images of one class, ``(n, height, width, 3)``."""
        size, count = self.options.image_size, self.options.images_per_class
        blots, width = 4, size * size * 3 + 2
        uniforms = block_uniforms(KEY, number, number + 1, 6 * blots + count * width)[0]
        axis = np.linspace(0, 1, size)
        picture = np.ones((size, size, 3))
        for x, y, radius, *ink in uniforms[: 6 * blots].reshape(blots, 6):
            distance = np.hypot(axis - x, axis[:, None] - y)
            picture[distance < 0.1 + 0.2 * radius] = ink
        images = np.empty((count, size, size, 3), dtype=np.uint8)
        for image, own in zip(images, uniforms[6 * blots :].reshape(count, width), strict=True):
            moved = np.roll(picture, (own[:2] * size / 4).astype(int), axis=(0, 1))
            image[:] = 255 * (0.9 * moved + 0.1 * own[2:].reshape(size, size, 3))
        return images
