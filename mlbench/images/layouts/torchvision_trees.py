"""The trees that torchvision's data sets read, with every image left to be decoded later.

torchvision is asked which files there are and which class each belongs to, so that a tree on which
``torchvision.datasets`` works is one that can be packed. Its data sets are made with
``loader=Path``: they give the path of an image in the place of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from mlbench.errors import DataError
from mlbench.images.layouts.listing import Layout, Listing, each
from mlbench.images.pictures import Box, FileImage

WRONG = (RuntimeError, FileNotFoundError, LookupError, ValueError)
"""What torchvision's data sets raise at trees that are incomplete or altered."""


def torchvision_tree(
    folder: str,
    parts: Callable[[Path], Iterable[Any]],
    *,
    name: Callable[[int, str], str] = lambda _, word: word,
    boxes: Callable[[Path], Mapping[str, Box]] = lambda _: {},
) -> Layout:
    """Return the layout of one of torchvision's data sets.

    Args:
        folder: What torchvision looks for in the folder that it calls root.
        parts: Return the data sets that make the whole, given root, with ``loader=Path``.
        name: Return what a class is called, given its label and what torchvision calls it.
        boxes: Return bounding boxes by the stems of the images' names, given root.
    """

    def read(path: Path) -> Listing | None:
        root = root_of(path, folder)
        if root is None:
            return None
        listing = Listing()
        try:
            drawn = boxes(root)
            for part in parts(root):
                for index in range(len(part)):
                    file, label = part[index]
                    image = FileImage(file, drawn.get(file.stem))
                    listing.add(name(label, part.classes[label]), [image])
        except WRONG as err:
            raise unreadable(root / folder, err) from err
        return listing

    return Layout(f"torchvision's {folder}/ tree", each(read))


def root_of(path: Path, folder: str) -> Path | None:
    """Return what torchvision calls root, given that or a folder on the way from it to its data.

    Args:
        path: What a user names.
        folder: What must be in root, as ``eurosat/2750``.
    """
    parts = PurePath(folder).parts
    for depth in range(len(parts) + 1):
        root = path.parents[depth - 1] if depth and len(path.parents) >= depth else path
        if path == root.joinpath(*parts[:depth]) and (root / folder).is_dir():
            return root
    return None


def unreadable(tree: Path, err: Exception) -> DataError:
    """Return the refusal of a tree that torchvision refuses."""
    reason = " ".join(str(err).split()).partition(". ")[0]
    return DataError(
        f"{tree} lacks a file or has one that is not the original ({reason});"
        " extract the original files again"
    )
