"""Pickles of miniImageNet that other projects hand out, read without being run.

``mini-imagenet-cache-{train,val,test}.pkl`` (Ren et al., 2018, and learn2learn, which says
``-validation``) hold ``image_data`` and, by class, the rows that are its images.
``miniImageNet_category_split_*.pickle`` (Gidaris and Komodakis, 2018) hold ``data`` and ``labels``;
their ``train_phase_val`` and ``train_phase_test`` are more images of the training classes, which
miniImageNet does not have, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images.layouts.listing import Layout, Listing
from mlbench.images.pickled import PickledArray
from mlbench.images.pictures import ArrayImage, Rows
from mlbench.images.unpickle import unpickle

CACHE = "mini-imagenet-cache-{}.pkl"
CATEGORIES = "miniImageNet_category_split_{}.pickle"
CACHE_WORDS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
CATEGORY_WORDS: dict[str, Split] = {
    "train_phase_train": "train",
    "val": "validation",
    "test": "test",
}


def read_cache(roots: Sequence[Path]) -> Listing | None:
    """Read ``mini-imagenet-cache-*.pkl``, given as files or as a folder of them."""
    return read_pickles(roots, CACHE, CACHE_WORDS, cached_classes)


def read_categories(roots: Sequence[Path]) -> Listing | None:
    """Read ``miniImageNet_category_split_*.pickle``, given as files or as a folder of them."""
    return read_pickles(roots, CATEGORIES, CATEGORY_WORDS, category_classes)


def read_pickles(
    roots: Sequence[Path],
    pattern: str,
    words: dict[str, Split],
    classes: Callable[[Any], tuple[Rows, dict[str, list[int]]]],
) -> Listing | None:
    """Return what the pickles of a kind hold.

    Args:
        roots: Files, or folders of them.
        pattern: How the files are named.
        words: What stands in a name for each split.
        classes: Return the images of a pickle, and which of them each class has.

    Raises:
        DataError: One of them is damaged, asks for more than data, or lacks a key.
    """
    listing = Listing()
    for root, word, split in files_of(roots, pattern, words):
        content = unpickle(root)
        try:
            rows, members = classes(content)
            dimensions = len(rows.shape)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as err:
            raise DataError(
                f"{root} holds no images and classes as a {pattern.format(word)} has them ({err});"
                " restore it from the original"
            ) from err
        if dimensions != 4:
            raise DataError(f"{root} holds an array of shape {rows.shape}, not images in colour")
        for name, indices in members.items():
            listing.assign(name, split, root)
            listing.add(name, [ArrayImage(rows, int(index), root) for index in indices])
    return listing if listing.images else None


def files_of(
    roots: Sequence[Path], pattern: str, words: dict[str, Split]
) -> Iterator[tuple[Path, str, Split]]:
    """Yield the pickles that are there, with the word of their name and their split."""
    for root in roots:
        found: set[Split] = set()  # where validation has two names, either may be there
        for word, split in words.items():
            name = pattern.format(word)
            path = root / name if root.is_dir() else root
            if path.name == name and path.is_file() and split not in found:
                found.add(split)
                yield path, word, split


def cached_classes(content: Any) -> tuple[Rows, dict[str, list[int]]]:
    """Return images and the rows of each class."""
    rows, members = content["image_data"], content["class_dict"]
    return rows, {str(name): numbers(some) for name, some in members.items()}


def category_classes(content: Any) -> tuple[Rows, dict[str, list[int]]]:
    """Return images and the rows of each class, named as ``catname2label`` names the labels."""
    rows, labels = content["data"], np.array(numbers(content["labels"]), dtype=np.int64)
    names = {int(label): str(name) for name, label in content["catname2label"].items()}
    return rows, {
        names[label]: np.flatnonzero(labels == label).tolist() for label in set(labels.tolist())
    }


def numbers(some: Any) -> list[int]:
    """Return the whole numbers of a list, or of an array of one dimension.

    Raises:
        TypeError: They are none; nested lists are not looked into, which might take for ever.
    """
    if isinstance(some, PickledArray) and len(some.shape) == 1:
        some = np.asarray(some).tolist()
    if not isinstance(some, list | tuple) or not all(
        isinstance(each, int | np.integer) for each in some
    ):
        raise TypeError("rows are to be whole numbers")
    return list(map(int, some))


CACHE_PICKLES = Layout("mini-imagenet-cache-*.pkl", read_cache)
CATEGORY_PICKLES = Layout("miniImageNet_category_split_*.pickle", read_categories)
