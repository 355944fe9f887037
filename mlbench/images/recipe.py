"""From a decoded image to the pixels of a pack: crop, resize, colour; a choice that is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlbench.errors import DataError
from mlbench.images.pictures import Picture

Resize = Literal["squash-bicubic", "resize-crop", "area"]
Crop = Literal["none", "bbox"]
RESIZES: tuple[Resize, ...] = get_args(Resize)
CROPS: tuple[Crop, ...] = get_args(Crop)
GREY = (0.299, 0.587, 0.114)  # luma of ITU-R 601, as Pillow's "L"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image becomes a square of pixels.

    Args:
        image_size: Height and width, in pixels.
        channels: 3 for colour; 1 for grey, the luma of ITU-R 601.
        resize: ``squash-bicubic`` resizes both sides by antialiased bicubic interpolation, whatever
            the aspect; ``area`` does so by averaging areas; ``resize-crop`` resizes the shorter
            side (bicubic) and cuts out the middle.
        crop: ``bbox`` cuts the image to its bounding box first.
        invert: Whether dark becomes light: ink white on black, as learners with padding want it.
    """

    image_size: int = 84
    channels: int = 3
    resize: Resize = "squash-bicubic"
    crop: Crop = "none"
    invert: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return ``(height, width, channels)``."""
        return self.image_size, self.image_size, self.channels

    def apply(self, picture: Picture, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels of a decoded picture, uint8, ``(height, width, channels)``.

        Raises:
            DataError: It is to be cropped and has no bounding box, or one outside the image.
        """
        if self.crop == "bbox":
            image = image.crop(corners(picture, image))
        size = self.image_size
        if image.size != (size, size):
            image = resized(image, size, self.resize)
        if self.channels == 1:
            image = image.convert("L")
        pixels = np.asarray(image).reshape(self.shape)
        return 255 - pixels if self.invert else pixels


def corners(picture: Picture, image: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a bounding box, in whole pixels within the image."""
    if picture.box is None:
        raise DataError(
            f"{picture} has no bounding box; add it without --crop bbox, or from a layout that has"
            " bounding boxes"
        )
    left, top, width, height = picture.box
    box = (
        max(round(left), 0),
        max(round(top), 0),
        min(round(left + width), image.width),
        min(round(top + height), image.height),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(
            f"the bounding box of {picture} lies outside the image; restore the file of bounding"
            " boxes from the original, or add without --crop bbox"
        )
    return box


def resized(image: Image.Image, size: int, how: Resize) -> Image.Image:
    """Return the image as a square."""
    if how == "squash-bicubic":
        return image.resize((size, size), Image.Resampling.BICUBIC)
    if how == "area":
        return image.resize((size, size), Image.Resampling.BOX)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    middle = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=middle)
