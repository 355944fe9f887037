"""CSV files that name the images of each split, beside the images or the whole of ImageNet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images.layouts.listing import (
    SPLIT_NAMES,
    Layout,
    Listing,
    by_split,
    image_files,
    inner,
)
from mlbench.images.pictures import FileImage

CSV_COLUMNS = (("filename", "label"), ("filename", "class"), ("image_name", "class_name"))
TREES = ("", "train", "ILSVRC2012_img_train", "Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/train")
"""Where below a root the class folders of ILSVRC2012's training images are looked for."""
FEWEST = 732  # images that a class of ILSVRC2012 has at least
RANKED = re.compile(r"n\d{8}(?P<rank>\d{8})\.\w+")
WNID = re.compile(r"n\d{8}")
ORIGINAL = re.compile(r"n\d{8}_(?P<number>\d+)\.\w+")
PROBES = 50  # rows that tell whether a layout fits


class Row(NamedTuple):
    """One line of a CSV file."""

    split: Split
    name: str
    file: str
    table: Path


def read_csv(roots: Sequence[Path]) -> Listing | None:
    """Read images that the CSV files of each split name.

    They lie in ``images/``, in the root or in class folders of it, also below folders of splits:
    what is in which split, the CSV files say.
    """
    rows = split_rows(roots)
    folders = [folder for root in roots for folder in image_folders(root)]
    # Deep folders are looked into only where some row is found there.
    if any((root / "images").is_dir() for root in roots) or any(
        find_file(folders, row) for row in rows[:PROBES]
    ):
        return listed(rows, lambda row: find_file(folders, row), folders[0]) if rows else None
    return None


def read_ilsvrc(roots: Sequence[Path]) -> Listing | None:
    """Read the images of ILSVRC2012 that CSV files name, by rank or by their own names.

    ``n0153282900000005.jpg`` is the fifth image of class n01532829, in the order of the numbers in
    their names (Ravi and Larochelle); ``n01532829_20457.JPEG`` is a name of ILSVRC2012 itself.

    Raises:
        DataError: A class folder has too few images for ranks to mean anything, or a row gives an
            image to a class that it is not named after.
    """
    rows = split_rows(roots)
    trees = [tree for root in roots for tree in (root / name for name in TREES) if tree.is_dir()]
    folders: dict[str, Path] = {}
    for name in {row.name for row in rows}:
        found = [tree / name for tree in trees if (tree / name).is_dir()]
        if found and any(ORIGINAL.fullmatch(path.name) for path in found[0].iterdir()):
            folders[name] = found[0]
    if not folders:
        return None
    for row in rows:
        named = WNID.match(row.file)
        if named and named[0] != row.name:
            raise DataError(
                f"{row.table} gives {row.file} to class {row.name}; correct the line, or restore"
                " the file from the original"
            )
    ordered = cache(originals_of)
    return listed(
        rows, lambda row: find_original(folders.get(row.name), row.file, ordered), roots[0]
    )


def listed(rows: list[Row], find: Callable[[Row], Path | None], root: Path) -> Listing:
    """Return what the rows name; files that are not found are told as absent."""
    listing = Listing(indexed=True)
    for row in rows:
        listing.assign(row.name, row.split, row.table)
        listing.add(row.name, [FileImage(find(row) or root / row.file)])
    return listing


def split_rows(roots: Sequence[Path]) -> list[Row]:
    """Return the rows of the CSV files of all roots."""
    rows: list[Row] = []
    for root in roots:
        for split, path in by_split(root, ".csv"):
            seen: set[tuple[str, str]] = set()
            for file, name in csv_rows(path):
                if (file, name) in seen:
                    raise DataError(f"{path} lists {file} twice; take one of the lines out")
                seen.add((file, name))
                rows.append(Row(split, name, file, path))
    return rows


def image_folders(root: Path) -> list[Path]:
    """Return where below a root the images of CSV files may lie, directly or by class."""
    splits = [name for names in SPLIT_NAMES.values() for name in names]
    return [path for path in (root / "images", root, *map(root.joinpath, splits)) if path.is_dir()]


def find_file(folders: Sequence[Path], row: Row) -> Path | None:
    """Return the file that a row names."""
    candidates = (
        place for folder in folders for place in (folder / row.file, folder / row.name / row.file)
    )
    return next((path for path in candidates if path.is_file()), None)


def find_original(
    folder: Path | None, file: str, ordered: Callable[[Path], list[Path]]
) -> Path | None:
    """Return the image of ILSVRC2012 that a name stands for, in its class folder.

    Args:
        folder: That folder, if it is there.
        file: The name.
        ordered: Return the images of a folder, in the order of their ranks.
    """
    if folder is None:
        return None
    ranked = RANKED.fullmatch(file)
    if ranked is None:
        names = file, f"{Path(file).stem}.JPEG"
        return next((folder / name for name in names if (folder / name).is_file()), None)
    originals = ordered(folder)
    rank = int(ranked["rank"])
    return originals[rank - 1] if 1 <= rank <= len(originals) else None


def originals_of(folder: Path) -> list[Path]:
    """Return the images of a class folder of ILSVRC2012, in the order of their numbers.

    Raises:
        DataError: They are not all there, so that ranks would name other images.
    """
    found = [
        (int(match["number"]), picture.path)
        for picture in image_files(folder)
        if isinstance(picture, FileImage) and (match := ORIGINAL.fullmatch(picture.path.name))
    ]
    if len(found) < FEWEST:
        raise DataError(
            f"{folder} has {len(found)} images, and a class of ILSVRC2012 has {FEWEST} or more:"
            " where some are missing, a rank names another image; extract the original archive"
        )
    return [path for _, path in sorted(found)]


def csv_rows(
    path: Path, columns: Sequence[tuple[str, str]] = CSV_COLUMNS
) -> Iterator[tuple[str, str]]:
    """Yield two fields of each row of a CSV file: those of the first pair that its header has."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            rows = csv.DictReader(text, skipinitialspace=True)
            rows.fieldnames = header = [name.strip() for name in rows.fieldnames or ()]
            pair = next((pair for pair in columns if set(pair) <= set(header)), None)
            if pair is None:
                raise DataError(
                    f"{path} has the columns {', '.join(header) or '(none)'}; it needs"
                    f" {' or '.join(' and '.join(pair) for pair in columns)}: correct its"
                    " first line"
                )
            for row in rows:
                first, second = (inner(str(row[column] or "").strip(), path) for column in pair)
                if not (first and second):
                    raise DataError(
                        f"{path}, line {rows.line_num}, lacks {pair[0]} or {pair[1]};"
                        " complete it, or take it out"
                    )
                yield first, second
    except (UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path} is no CSV file ({err}); restore it from the original") from err


CSV = Layout("images/ with train.csv, val.csv and test.csv", read_csv)
ILSVRC = Layout("an ILSVRC2012 tree with train.csv, val.csv and test.csv", read_ilsvrc)
