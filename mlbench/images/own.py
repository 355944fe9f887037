"""A user's own images: any folder of class folders, under a name and a split of their choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlbench.contract import Split
from mlbench.errors import MisuseError
from mlbench.images.home import pack_folder
from mlbench.images.layouts import CLASS_FOLDERS, CSV, SPLIT_TREES
from mlbench.images.layouts.listing import Layout
from mlbench.images.originals import Originals, forms_of, look, originals_of, unfit
from mlbench.images.pack import Manifest
from mlbench.images.packed import ClassSplit, PackedImages
from mlbench.images.splitting import Amounts, Parts, read_split_file

LAYOUTS: tuple[Layout, ...] = (CSV, SPLIT_TREES, CLASS_FOLDERS)
HOW = (
    "say which of its classes are for what: --split train=64,val=16,test=rest (classes or shares),"
    " --split train=FOLDER,test=FOLDER (folders or CSV files), or --split-file CSV (class,split)"
)


def load_own(name: str) -> type[PackedImages]:
    """Return the class of a user's own data set.

    Raises:
        DataError: Its manifest is damaged.
    """
    manifest = Manifest.read(pack_folder(name))
    return own_data(name, manifest.split.rule, manifest.split.splits, words=manifest.options)


def own_data(
    name: str,
    rule: str,
    classes: Mapping[str, Split],
    layouts: tuple[Layout, ...] = LAYOUTS,
    words: tuple[str, ...] = (),
) -> type[PackedImages]:
    """Return a class that stands for a user's own images."""

    class Own(PackedImages):
        """Images of the user's own."""

        licence = "the user's own"
        obtain = "the images again"
        source = "the user's own images"
        own = True

    Own.name = name
    Own.__doc__ = f"Images of the user's own, split {rule}."
    Own.layouts = layouts
    Own.class_splits = (ClassSplit("own", rule, dict(classes)),)
    Own.images = 0
    Own.split_words = words
    return Own


def find_own(
    name: str,
    roots: Sequence[Path],
    split: Amounts | Parts | None,
    split_file: Path | None,
    named: Sequence[Path] | None = None,
    words: tuple[str, ...] = (),
) -> tuple[type[PackedImages], Originals]:
    """Return a user's own data set and its images.

    Args:
        name: What to call it.
        roots: Where its images lie.
        split: Which classes are for what.
        split_file: A CSV file that says so.
        named: What to call the roots: the archives that they were extracted from.
        words: The words of the command line that gave the split.

    Raises:
        MisuseError: Neither the user nor the layout says what is in which split.
        DataError: The images or the file do not fit.
    """
    layouts = LAYOUTS
    if isinstance(split, Parts):
        layouts = (Layout("the parts that --split names", lambda _: split.listing(roots)),)
    elif split is not None or split_file is not None:
        layouts = (CLASS_FOLDERS,)
    found = look(layouts, roots, "your images", named)
    listing = found.listing
    if found.layout is None and (split is not None or split_file is not None):
        raise unfit(name, forms_of(layouts), found)
    if split_file is not None:
        rule, classes = f"by {split_file.name}", read_split_file(split_file, sorted(listing.images))
    elif isinstance(split, Amounts):
        rule, classes = split.rule, split.assign(sorted(listing.images))
    elif set(listing.splits) >= set(listing.images) != set():
        rule, classes = "as its folders or CSV files have it", listing.splits
    else:
        raise MisuseError(
            f"{name!r} is no data set that mlbench knows; to pack one of yours, {HOW}"
        )
    data = own_data(name, rule, classes, layouts, words)
    unused = tuple(sorted(set(listing.images) - set(classes)))
    listing.images = {name: some for name, some in listing.images.items() if name in classes}
    return data, originals_of(data, found)._replace(unused=unused)
