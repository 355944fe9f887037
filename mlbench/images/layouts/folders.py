"""Class folders: a folder per class, or a folder per split with those in it."""

from __future__ import annotations

from pathlib import Path

from mlbench.images.layouts.listing import Layout, Listing, by_split, class_folders, each


def read_split_trees(root: Path) -> Listing | None:
    """Read a folder per split, with a folder per class in it."""
    listing = Listing()
    for split, folder in by_split(root, ""):
        for name, pictures in class_folders(folder):
            listing.assign(name, split, folder)
            listing.add(name, pictures)
    return listing if listing.images else None


def read_class_folders(root: Path) -> Listing | None:
    """Read a folder per class, directly in the root or in its ``images/``."""
    if not root.is_dir():
        return None
    listing = Listing()
    for name, pictures in class_folders(root / "images" if (root / "images").is_dir() else root):
        listing.add(name, pictures)
    return listing if listing.images else None


SPLIT_TREES = Layout("train/, val/ and test/ with a folder per class", each(read_split_trees))
CLASS_FOLDERS = Layout("a folder per class", each(read_class_folders))
