"""Data sets made of image files: what they should hold, and their images once packed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images.dataset import ImageDataset, ImageSplit
from mlbench.images.home import data_home, pack_folder
from mlbench.images.layouts import Layout
from mlbench.images.pack import Pack


class PackedImages(ImageDataset):
    """A data set that ``mlbench data add`` packs; a subclass says what it should be.

    Attributes:
        licence: On which terms the images may be used, in a line.
        obtain: Where a PATH to add comes from, in a line.
        layouts: How images may lie in PATH; the first that fits is taken.
        split_rule: Whose split it is; part of the fingerprint.
        classes: The split of each class, all of them.
        images: How many images the whole data set has.
        images_per_class: That of every class, where they are equal.
        originals_vary: Whether the original images are of many sizes, so that images which all
            have one size are known to be derived from them.
        image_size: Height and width after packing, in pixels.
    """

    licence: ClassVar[str]
    obtain: ClassVar[str]
    layouts: ClassVar[tuple[Layout, ...]]
    split_rule: ClassVar[str]
    classes: ClassVar[Mapping[str, Split]]
    images: ClassVar[int]
    images_per_class: ClassVar[int | None] = None
    originals_vary: ClassVar[bool] = False
    image_size: ClassVar[int] = 84

    @cached_property
    def pack(self) -> Pack:
        """Return the packed data, opened once.

        Raises:
            DataError: They are not there, or not as they were packed.
        """
        if not pack_folder(self.name).exists():
            raise DataError(
                f"{self.name} is not packed in {data_home()}; get {self.obtain};"
                f" then run: mlbench data add {self.name} PATH"
            )
        return Pack.open(self.name)

    @property
    def fingerprint(self) -> str:
        """Return the hash of pixels, classes, split and resize rule."""
        return self.pack.manifest.fingerprint

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(3, height, width)``."""
        _, height, width, channels = self.pack.manifest.shape("train")
        return channels, height, width

    @property
    def incomplete(self) -> str | None:
        """Return what was missing when the data were packed."""
        return self.pack.manifest.missing

    def load(self, split: Split) -> ImageSplit:
        """Return the images of a split, memory-mapped."""
        packed = self.pack.manifest.splits[split]
        return ImageSplit(self.pack.load(split), packed.class_names, packed.class_sizes)
