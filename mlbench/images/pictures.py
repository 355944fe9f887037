"""Images as they were found: a file, a part of one, or a row of an array; decoded when needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mlbench.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for. Some of its other readers start programs: EPS, Ghostscript."""
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""All that Pillow's decoders raise at a file that is no image, or half of one."""

Box = tuple[float, float, float, float]
"""Left, top, width and height, in pixels."""


class Picture(Protocol):
    """One image, where it was found; ``str`` names it in messages."""

    @property
    def box(self) -> Box | None:
        """Return the bounding box of what it shows, where somebody drew one."""

    def decode(self) -> Image.Image:
        """Return the whole image in RGB.

        Raises:
            DataError: It is no image, is cut short, or has more than 8 bits a channel.
        """


class Rows(Protocol):
    """Images one after the other: an array, or one that stays in its file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return ``(images, height, width[, channels])``."""

    def __getitem__(self, index: int) -> Any:
        """Return one image as an array."""


@dataclass(frozen=True)
class FileImage:
    """An image file.

    Args:
        path: Where it lies.
        box: The bounding box of what it shows.
        label: What to call it, where its path will soon mean nothing: in an archive.
    """

    path: Path
    box: Box | None = None
    label: str | None = None

    def __str__(self) -> str:
        return self.label or str(self.path)

    def decode(self) -> Image.Image:
        """Return the image in RGB."""
        try:
            with Image.open(self.path, formats=FORMATS) as image:
                if image.mode.startswith(("I", "F")):
                    raise DataError(
                        f"{self} has more than 8 bits a channel (mode {image.mode}); convert it to"
                        " 8 bits, or leave it out with --skip-damaged"
                    )
                return opaque(image)
        except UNREADABLE as err:
            raise damaged(self, err) from err

    def size(self) -> tuple[int, int]:
        """Return width and height, without decoding."""
        try:
            with Image.open(self.path, formats=FORMATS) as image:
                return image.size
        except UNREADABLE as err:
            raise damaged(self, err) from err


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """A row of an array.

    Args:
        rows: uint8 or bool, ``(images, height, width[, channels])``; True is white.
        index: Which row.
        source: The file that the array came from.
    """

    rows: Rows
    index: int
    source: Path
    box: Box | None = None

    def __str__(self) -> str:
        return f"{self.source}[{self.index}]"

    def decode(self) -> Image.Image:
        """Return the image in RGB."""
        try:
            pixels: NDArray[Any] = np.asarray(self.rows[self.index])
            if pixels.dtype == np.bool_:
                pixels = pixels * np.uint8(255)
            if pixels.dtype != np.uint8:
                raise ValueError(f"an array of {pixels.dtype}, not of 8 bits a channel")
            return Image.fromarray(pixels).convert("RGB")
        except (*UNREADABLE, TypeError, IndexError) as err:
            raise damaged(self, err) from err

    def size(self) -> tuple[int, int]:
        """Return width and height."""
        _, height, width, *_ = self.rows.shape
        return width, height


def opaque(image: Image.Image) -> Image.Image:
    """Return an image in RGB, on white where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def damaged(picture: Picture, err: BaseException) -> DataError:
    """Return the refusal of an image that cannot be decoded."""
    reason = "it is no image" if isinstance(err, UnidentifiedImageError) else str(err)
    return DataError(
        f"{picture} cannot be decoded ({reason}); restore it from the original,"
        " or leave out what is damaged with --skip-damaged"
    )
