"""Data sets made of image files: what they should hold, and their images once packed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from mlbench.contract import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images.dataset import ImageDataset
from mlbench.images.fetch.download import Download
from mlbench.images.home import data_home, pack_folder
from mlbench.images.layouts.listing import Layout
from mlbench.images.pack import Pack
from mlbench.images.recipe import Recipe
from mlbench.images.split import ImageSplit


@dataclass(frozen=True)
class ClassSplit:
    """A published split: which class is used for what.

    Args:
        name: What the option ``split`` calls it.
        rule: Whose it is.
        classes: The split of each class; those that it leaves out are not used.
    """

    name: str
    rule: str
    classes: Mapping[str, Split]


class PackedImages(ImageDataset):
    """A data set that ``mlbench data add`` packs; a subclass says what it should be.

    Where there are several splits, ``Options`` has a field ``split`` with their names; the first is
    the default.

    Attributes:
        licence: On which terms the images may be used, in a line.
        obtain: Where a PATH to add comes from, in a line.
        layouts: How images may lie in PATH; the first that fits is taken.
        downloads: The official files, where they may be downloaded.
        class_splits: Published splits; together they name all classes.
        images: How many images the whole data set has.
        images_per_class: That of every class, where they are equal.
        originals_vary: Whether the original images are of many sizes, so that images which all
            have one size are known to be derived from them.
        image_size: Height and width after packing, in pixels.
        channels: 3 for colour, 1 for grey.
        invert: Whether dark becomes light.
        split_words: Of a user's own, the words of the command line that gave its split.
        own: Whether it is a user's own, described by its manifest instead of a plugin.
    """

    licence: ClassVar[str]
    obtain: ClassVar[str]
    layouts: ClassVar[tuple[Layout, ...]]
    downloads: ClassVar[tuple[Download, ...]] = ()
    class_splits: ClassVar[tuple[ClassSplit, ...]]
    images: ClassVar[int]
    images_per_class: ClassVar[int | None] = None
    originals_vary: ClassVar[bool] = False
    image_size: ClassVar[int] = 84
    channels: ClassVar[int] = 3
    invert: ClassVar[bool] = False
    split_words: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[bool] = False

    @classmethod
    def class_names(cls) -> list[str]:
        """Return the names of all classes, in alphabetical order."""
        return sorted(set().union(*(split.classes for split in cls.class_splits)))

    @classmethod
    def recipe(cls) -> Recipe:
        """Return how images become pixels unless told otherwise."""
        return Recipe(image_size=cls.image_size, channels=cls.channels, invert=cls.invert)

    @classmethod
    def rules(cls) -> str:
        """Return whose splits there are."""
        return "; ".join(split.rule for split in cls.class_splits)

    @cached_property
    def pack(self) -> Pack:
        """Return the packed data, opened once.

        Raises:
            DataError: They are not there, or not as they were packed.
        """
        if not pack_folder(self.name).exists():
            ready = f"run: mlbench data download {self.name}; or " if self.downloads else ""
            raise DataError(
                f"{self.name} is not packed in {data_home()}; {ready}get {self.obtain};"
                f" then run: mlbench data add {self.name} PATH"
            )
        return Pack.open(self.name)

    @property
    def class_split(self) -> ClassSplit:
        """Return the split that the options name."""
        name = getattr(self.options, "split", self.class_splits[0].name)
        return next(split for split in self.class_splits if split.name == name)

    @cached_property
    def members(self) -> dict[Split, list[str]]:
        """Return the packed classes of each split, in alphabetical order."""
        where = self.class_split.classes
        names = [each.name for each in self.pack.manifest.classes]
        return {split: [name for name in names if where.get(name) == split] for split in SPLITS}

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash of all that decides an episode: pixels, classes and their splits."""
        manifest = self.pack.manifest
        packed = {each.name: [each.count, each.sha256] for each in manifest.classes}
        content = {
            "shape": manifest.recipe.shape,
            "splits": [
                [split, [[name, *packed[name]] for name in self.members[split]]] for split in SPLITS
            ],
            **self.variation(),
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def variation(self) -> dict[str, str]:
        """Return what else a subclass's options change about episodes."""
        return {}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(channels, height, width)``."""
        height, width, channels = self.pack.manifest.recipe.shape
        return channels, height, width

    @property
    def incomplete(self) -> str | None:
        """Return what was missing when the data were packed."""
        return self.pack.manifest.missing

    @cached_property
    def pixels(self) -> ImageSplit:
        """Return all packed images, memory-mapped once for all splits."""
        classes = self.pack.manifest.classes
        names, counts = [each.name for each in classes], [each.count for each in classes]
        return ImageSplit(self.pack.pixels(), tuple(names), tuple(counts))

    def load(self, split: Split) -> ImageSplit:
        """Return the images of a split, memory-mapped."""
        return self.pixels.only(self.members[split])
