"""How images lie on disk, and which class each belongs to: one function per layout.

A :class:`Layout` looks at a folder and returns a :class:`Listing`, or ``None`` where the folder
is not of its kind. It opens no image.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlbench.episodes import Split
from mlbench.errors import DataError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation"),
    "test": ("test",),
}
CSV_COLUMNS = (("filename", "label"), ("filename", "class"), ("image_name", "class_name"))


@dataclass
class Listing:
    """The images that a folder holds.

    Args:
        images: Files by class; classes without any are left out.
        splits: The split of each class, where the layout says so.
        absent: Files that an index names and that are not there.
        indexed: Whether an index names every image, so that none can be missed unnoticed.
    """

    images: dict[str, list[Path]] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)
    absent: list[Path] = field(default_factory=list)
    indexed: bool = False

    @property
    def count(self) -> int:
        """Return how many images there are."""
        return sum(map(len, self.images.values()))

    def add(self, name: str, files: list[Path]) -> None:
        """Add files of a class, of which those count that exist."""
        for file in files:
            if file.is_file():
                self.images.setdefault(name, []).append(file)
            else:
                self.absent.append(file)

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


@dataclass(frozen=True)
class Layout:
    """A way in which images lie on disk.

    Args:
        name: What a folder of this layout holds, as messages and manifests call it.
        read: Return what a folder holds, or ``None`` where it is of another layout.
    """

    name: str
    read: Callable[[Path], Listing | None]


def read_csv(root: Path) -> Listing | None:
    """Read ``images/`` and a CSV file per split that assigns a class to each of its files."""
    found = _by_split(root, ".csv")
    images = root / "images"
    if not found or not images.is_dir():
        return None
    listing = Listing(indexed=True)
    for split, path in found:
        labels: dict[str, str] = {}
        for file, name in _rows(path):
            if file in labels:
                raise DataError(f"{path} lists {file} twice; take one of the lines out")
            labels[file] = name
            listing.assign(name, split, path)
            listing.add(name, [images / file])
    return listing


def read_split_trees(root: Path) -> Listing | None:
    """Read a folder per split, with a folder per class in it."""
    found = _by_split(root, "")
    if not found:
        return None
    listing = Listing()
    for split, folder in found:
        for name, files in _class_folders(folder):
            listing.assign(name, split, folder)
            listing.add(name, files)
    return listing


def read_class_folders(root: Path) -> Listing | None:
    """Read a folder per class, directly in the root or in its ``images/``."""
    listing = Listing()
    for name, files in _class_folders(root / "images" if (root / "images").is_dir() else root):
        listing.add(name, files)
    return listing if listing.images else None


def read_official_cub(root: Path) -> Listing | None:
    """Read the tree of CUB-200-2011, or a folder that holds it: indexed images, labels, classes."""
    tree = next((t for t in (root, root / "CUB_200_2011") if (t / "images.txt").is_file()), None)
    if tree is None:
        return None
    names = dict(_pairs(tree / "classes.txt"))
    labels = dict(_pairs(tree / "image_class_labels.txt"))
    files: dict[str, list[Path]] = {}
    for image, file in _pairs(tree / "images.txt"):
        try:
            name = names[labels[image]]
        except KeyError as err:
            raise DataError(
                f"{tree / 'images.txt'} lists image {image}, which image_class_labels.txt and"
                " classes.txt give no class; extract the original archive again"
            ) from err
        files.setdefault(name, []).append(tree / "images" / file)
    listing = Listing()
    for name, some in files.items():
        listing.add(name, some)
    return listing


CSV = Layout("images/ with train.csv, val.csv and test.csv", read_csv)
SPLIT_TREES = Layout("train/, val/ and test/ with a folder per class", read_split_trees)
CLASS_FOLDERS = Layout("images/ with a folder per class", read_class_folders)
OFFICIAL_CUB = Layout("the official CUB_200_2011/ tree", read_official_cub)


def _by_split(root: Path, suffix: str) -> list[tuple[Split, Path]]:
    """Return the files or folders that are named as splits."""
    return [
        (split, path)
        for split, names in SPLIT_NAMES.items()
        for path in (root / f"{name}{suffix}" for name in names)
        if (path.is_file() if suffix else path.is_dir())
    ]


def _class_folders(root: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the folders that hold images, with their images; hidden files are not looked at."""
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            files = [
                each
                for each in sorted(folder.iterdir())
                if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
            ]
            if files:
                yield folder.name, files


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield file and class of each row of a CSV file, whatever its columns are called."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            rows = csv.DictReader(text, skipinitialspace=True)
            header = rows.fieldnames or ()
            columns = next((pair for pair in CSV_COLUMNS if set(pair) <= set(header)), None)
            if columns is None:
                raise DataError(
                    f"{path} has the columns {', '.join(header) or '(none)'}; it needs"
                    f" {' or '.join(' and '.join(pair) for pair in CSV_COLUMNS)}: correct its"
                    " first line"
                )
            for row in rows:
                file, name = (str(row[column] or "").strip() for column in columns)
                if not (file and name):
                    raise DataError(
                        f"{path}, line {rows.line_num}, lacks {columns[0]} or {columns[1]};"
                        " complete it, or take it out"
                    )
                yield file, name
    except (UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path} is no CSV file ({err}); restore it from the original") from err


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the two fields of each line of a text file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as err:
        raise DataError(f"{path} is absent or damaged; extract the original archive again") from err
    for number, line in enumerate(lines, start=1):
        first, _, second = line.strip().partition(" ")
        if not second:
            raise DataError(
                f"{path}, line {number}, is not of the form NUMBER NAME;"
                " extract the original archive again"
            )
        yield first, second
