"""The official tree of CUB-200-2011: indexed images, labels, classes and bounding boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlbench.errors import DataError
from mlbench.images.layouts.listing import Layout, Listing, each, inner
from mlbench.images.pictures import Box, FileImage, Picture

AGAIN = "extract the original archive again"


def read_official_cub(root: Path) -> Listing | None:
    """Read the tree, or a folder that holds it as ``CUB_200_2011/``."""
    tree = next((t for t in (root, root / "CUB_200_2011") if (t / "images.txt").is_file()), None)
    if tree is None:
        return None
    names = dict(pairs(tree / "classes.txt"))
    labels = dict(pairs(tree / "image_class_labels.txt"))
    boxes = bounding_boxes(tree / "bounding_boxes.txt")
    pictures: dict[str, list[Picture]] = {}
    for image, file in pairs(tree / "images.txt"):
        try:
            name = names[labels[image]]
        except KeyError as err:
            raise DataError(
                f"{tree / 'images.txt'} lists image {image}, which image_class_labels.txt and"
                f" classes.txt give no class; {AGAIN}"
            ) from err
        picture = FileImage(tree / "images" / inner(file, tree / "images.txt"), boxes.get(image))
        pictures.setdefault(name, []).append(picture)
    listing = Listing()
    for name, some in pictures.items():
        listing.add(name, some)
    return listing


def bounding_boxes(path: Path) -> dict[str, Box]:
    """Return the bounding box of each image, by its number; none where there is no such file."""
    if not path.is_file():
        return {}
    boxes: dict[str, Box] = {}
    for image, text in pairs(path):
        try:
            left, top, width, height = map(float, text.split())
        except ValueError as err:
            raise DataError(
                f"{path} gives image {image} the box {text!r}, not four numbers; {AGAIN}"
            ) from err
        boxes[image] = left, top, width, height
    return boxes


def pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the first field of each line of a text file, and the rest of the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as err:
        raise DataError(f"{path} is absent or damaged; {AGAIN}") from err
    for number, line in enumerate(lines, start=1):
        first, _, second = line.strip().partition(" ")
        if not second:
            raise DataError(f"{path}, line {number}, is not of the form NUMBER NAME; {AGAIN}")
        yield first, second


OFFICIAL_CUB = Layout("the official CUB_200_2011/ tree", each(read_official_cub))
