"""What a layout finds: the images of each class, and what it knows of splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images.pictures import FileImage, Picture

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LONGEST, LONGEST_PART = 1000, 255  # of a path, and of a name in it
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation"),
    "test": ("test",),
}


@dataclass
class Listing:
    """The images of a data set, as they were found.

    Args:
        images: By class; classes without any are left out.
        splits: The split of each class, where the layout says so.
        absent: What an index names and is not there.
        indexed: Whether an index names every image, so that none can be missed unnoticed.
    """

    images: dict[str, list[Picture]] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)
    absent: list[Path] = field(default_factory=list)
    indexed: bool = False

    @property
    def count(self) -> int:
        """Return how many images there are."""
        return sum(map(len, self.images.values()))

    def add(self, name: str, pictures: Iterable[Picture]) -> None:
        """Add images of a class; files count if they exist."""
        for picture in pictures:
            if isinstance(picture, FileImage) and not picture.path.is_file():
                self.absent.append(picture.path)
            else:
                self.images.setdefault(name, []).append(picture)

    def assign(self, name: str, split: Split, where: Path) -> None:
        """Note the split of a class.

        Raises:
            DataError: It has another one already.
        """
        if self.splits.setdefault(name, split) != split:
            raise DataError(
                f"class {name} of {where} is in {self.splits[name]} already;"
                " the splits must have no class in common: correct the files and repeat"
            )

    def count_once(self) -> None:
        """Take out what is there twice, so that no image can be shown and asked for in one task.

        Raises:
            DataError: An image is in two classes.
        """
        owners: dict[str, str] = {}
        for name, pictures in self.images.items():
            distinct = {str(picture): picture for picture in pictures}
            for place in distinct:
                if owners.setdefault(place, name) != name:
                    raise DataError(
                        f"{place} is of class {name}, and of {owners[place]} already;"
                        " take it out of one of them"
                    )
            self.images[name] = list(distinct.values())

    def merge(self, other: Listing, where: Path) -> None:
        """Take in what another root holds; a file counts once, however often it is found."""
        for name, pictures in other.images.items():
            held = set(self.images.setdefault(name, []))
            self.images[name].extend(picture for picture in pictures if picture not in held)
        for name, split in other.splits.items():
            self.assign(name, split, where)
        self.absent.extend(other.absent)
        self.indexed = self.indexed or other.indexed


@dataclass(frozen=True)
class Layout:
    """A way in which images lie on disk.

    Args:
        name: What folders of this layout hold, as messages and manifests call it.
        read: Return what some folders or files hold together, or ``None`` where one of them is of
            another layout. It decodes no image.
    """

    name: str
    read: Callable[[Sequence[Path]], Listing | None]


def each(read: Callable[[Path], Listing | None]) -> Callable[[Sequence[Path]], Listing | None]:
    """Return a reader of several roots, made of one that reads a single root."""

    def read_all(roots: Sequence[Path]) -> Listing | None:
        whole: Listing | None = None
        for root in roots:
            found = read(root)
            if found is None:
                return None
            if whole is None:
                whole = found
            else:
                whole.merge(found, root)
        return whole

    return read_all


def inner(text: str, where: Path) -> str:
    """Return a path that a file names, which may not lead out of the folder that it is below.

    Raises:
        DataError: It is absolute, goes up, or is longer than any name can be.
    """
    path = PurePath(text)
    if len(text) > LONGEST or any(len(os.fsencode(part)) > LONGEST_PART for part in path.parts):
        raise DataError(
            f"{where} names {text[:20]!r}..., which is too long for a file; correct the line"
        )
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"{where} names {text!r}, which is outside the folder that is added; name what is in it"
        )
    return text


def by_split(root: Path, suffix: str) -> list[tuple[Split, Path]]:
    """Return the files (with a suffix) or the folders (without) that are named as splits."""
    return [
        (split, path)
        for split, names in SPLIT_NAMES.items()
        for path in (root / f"{name}{suffix}" for name in names)
        if (path.is_file() if suffix else path.is_dir())
    ]


def class_folders(root: Path) -> Iterator[tuple[str, list[Picture]]]:
    """Yield the folders that hold images, with their images; hidden files are not looked at."""
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            pictures = image_files(folder)
            if pictures:
                yield readable(folder), pictures


def readable(folder: Path) -> str:
    """Return the name of a folder.

    Raises:
        DataError: It is no text, so that it cannot be recorded.
    """
    try:
        folder.name.encode()
    except UnicodeEncodeError as err:
        raise DataError(f"{str(folder)!r} has a name that is not UTF-8; rename the folder") from err
    return folder.name


def image_files(folder: Path) -> list[Picture]:
    """Return the image files of a folder, by name; those below it are not looked at."""
    return [
        FileImage(path)
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
