"""The same images in every form in which people have miniImageNet."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlbench.episodes import SPLITS, Split
from tests.images import python2

Images = Mapping[str, Sequence[NDArray[np.uint8]]]
Splits = Mapping[str, Split]
Form = Callable[[Path, Images, Splits], list[Path]]
"""Writes images into a folder, in some form; returns what is to be added."""

SHORT: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}
NUMBERS = (1001, 7, 98, 203, 10007, 20457)
"""Numbers of originals; in the order of texts, 10007 is the first and 98 the last."""


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image without loss, whatever its name says: Pillow looks at the content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def write_tables(
    root: Path, rows: Mapping[str, Sequence[str]], splits: Splits, header: str
) -> None:
    """Write a CSV file for each split."""
    root.mkdir(parents=True, exist_ok=True)
    first = header.split(",", maxsplit=1)[0]
    for split in SPLITS:
        lines = [
            f"{name},{file}" if first == "class_name" else f"{file},{name}"
            for name, files in rows.items()
            for file in files
            if splits[name] == split
        ]
        (root / f"{SHORT[split]}.csv").write_text("\n".join([header, *lines]) + "\n")


def images_and_tables(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write ``images/`` with CSV files, as Ravi and Larochelle name them."""
    rows = {
        name: [f"{name}{number:08}.jpg" for number in range(1, len(some) + 1)]
        for name, some in images.items()
    }
    for name, files in rows.items():
        for file, pixels in zip(files, images[name], strict=True):
            save(root / "images" / file, pixels)
    write_tables(root, rows, splits, "filename,label")
    return [root]


def other_trees_and_tables(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write class folders below folders of splits that mean nothing: the CSV files decide."""
    rows: dict[str, list[str]] = {}
    for place, (name, some) in enumerate(images.items()):
        for number, pixels in enumerate(some):
            file = f"{name}{number:08}.jpg"
            save(root / ("train", "val")[(place + number) % 2] / name / file, pixels)
            rows.setdefault(name, []).append(file)
    write_tables(root, rows, splits, "filename,label")
    return [root]


def trees(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write a folder per split with a folder per class."""
    for name, some in images.items():
        for number, pixels in enumerate(some):
            save(root / SHORT[splits[name]] / name / f"{number}.png", pixels)
    return [root]


def imagenet(root: Path, images: Images) -> dict[str, list[int]]:
    """Write class folders of ILSVRC2012, with images between that are not asked for.

    Returns:
        The numbers of the originals that are asked for, in the order of the images.
    """
    numbers: dict[str, list[int]] = {}
    for name, some in images.items():
        asked = list(NUMBERS[: len(some)])
        for number, pixels in zip(asked, some, strict=True):
            save(root / name / f"{name}_{number}.JPEG", pixels)
        for number in NUMBERS[len(some) :]:
            save(root / name / f"{name}_{number}.JPEG", 255 - some[0])
        numbers[name] = asked
    return numbers


def by_rank(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write a tree of ILSVRC2012, and elsewhere CSV files that name images by their ranks."""
    numbers = imagenet(root / "ILSVRC2012_img_train", images)
    order = sorted(NUMBERS)
    rows = {
        name: [f"{name}{order.index(number) + 1:08}.jpg" for number in some]
        for name, some in numbers.items()
    }
    write_tables(root / "lists", rows, splits, "filename,label")
    return [root / "ILSVRC2012_img_train", root / "lists"]


def by_name(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write a tree of ILSVRC2012 with CSV files that name images as it does."""
    numbers = imagenet(root / "Data" / "CLS-LOC" / "train", images)
    rows = {name: [f"{name}_{n}.JPEG" for n in some] for name, some in numbers.items()}
    write_tables(root, rows, splits, "class_name,image_name")
    return [root]


def rows_by_class(some: Images) -> tuple[NDArray[np.uint8], dict[str, list[int]]]:
    """Return all images in an array, and the rows of each class."""
    members: dict[str, list[int]] = {}
    for name, images in some.items():
        first = sum(map(len, members.values()))
        members[name] = list(range(first, first + len(images)))
    return np.stack([image for images in some.values() for image in images]), members


def pickled(
    root: Path,
    images: Images,
    splits: Splits,
    content: Callable[[Images, Split], Any],
    names: Mapping[Split, str],
    dumps: Callable[[Any], bytes],
) -> None:
    """Write a pickle for each split that has images."""
    root.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        some = {name: each for name, each in images.items() if splits[name] == split}
        if some:
            (root / names[split]).write_bytes(dumps(content(some, split)))


def cached(some: Images, _: Split) -> dict[str, Any]:
    """Return the content of a ``mini-imagenet-cache-*.pkl``."""
    array, members = rows_by_class(some)
    return {"image_data": array, "class_dict": members}


def categories(some: Images, split: Split) -> dict[str, Any]:
    """Return the content of a ``miniImageNet_category_split_*.pickle``."""
    array, members = rows_by_class(some)
    first = {"train": 0, "validation": 64, "test": 80}[split]
    labels = {name: first + place for place, name in enumerate(some)}
    return {
        "data": array,
        "labels": [labels[name] for name, rows in members.items() for _ in rows],
        "catname2label": labels,
    }


def cache(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write ``mini-imagenet-cache-*.pkl`` as Python 2 wrote them."""
    names = {split: f"mini-imagenet-cache-{SHORT[split]}.pkl" for split in SPLITS}
    pickled(root, images, splits, cached, names, python2.dumps)
    return [root]


def cache_of_learn2learn(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write the same, given as files, validation by its whole name, by Python 3."""
    names = {split: f"mini-imagenet-cache-{split}.pkl" for split in SPLITS}
    pickled(root, images, splits, cached, names, pickle.dumps)
    return sorted(root.iterdir())


def category_split(root: Path, images: Images, splits: Splits) -> list[Path]:
    """Write ``miniImageNet_category_split_*.pickle``, and those of more training images."""
    form = "miniImageNet_category_split_{}.pickle"
    words: dict[Split, str] = {"train": "train_phase_train", "validation": "val", "test": "test"}
    names = {split: form.format(word) for split, word in words.items()}
    pickled(root, images, splits, categories, names, python2.dumps)
    other = {n: [255 - image for image in some] for n, some in images.items()}
    base = {n: some for n, some in other.items() if splits[n] == "train"}
    for word in ("train_phase_val", "train_phase_test"):
        (root / form.format(word)).write_bytes(python2.dumps(categories(base, "train")))
    return [root]


FORMS: dict[str, Form] = {
    "images and CSV files": images_and_tables,
    "other trees and CSV files": other_trees_and_tables,
    "class trees": trees,
    "ILSVRC2012 by rank": by_rank,
    "ILSVRC2012 by name": by_name,
    "cache": cache,
    "cache of learn2learn": cache_of_learn2learn,
    "category split": category_split,
}
