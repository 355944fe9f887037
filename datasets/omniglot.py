"""Omniglot: 1623 characters of 50 alphabets, each drawn by 20 people.

Source: Lake, Salakhutdinov and Tenenbaum, 2015, https://doi.org/10.1126/science.aab3050. Splits:
that of Vinyals et al., 2016, https://arxiv.org/abs/1606.04080, with which most results are
published, cuts through alphabets; the authors' own keeps the evaluation alphabets apart. A class is
named by the number of its character, with which its drawings' file names begin; characters 1 to 964
are the background set, the others the evaluation set.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlbench.contract import Hyper, Split, hp
from mlbench.errors import DataError
from mlbench.images import ImageSplit, PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import Layout, Listing
from mlbench.images.packed import ClassSplit
from mlbench.images.pictures import ArrayImage, FileImage

BACKGROUND = range(1, 965)
EVALUATION = range(965, 1624)
VALIDATION = {
    "Armenian": range(27, 68),
    "Bengali": range(132, 178),
    "Early_Aramaic": range(251, 273),
    "Hebrew": range(466, 488),
    "Mkhedruli": range(729, 770),
}
TEST = range(1201, 1624)  # of Vinyals et al.
TREE = "omniglot-py"
DRAWING = re.compile(r"(?P<character>\d{4})_\d\d\.png")
ARRAYS = {"images_background.npz": BACKGROUND, "images_evaluation.npz": EVALUATION}
BROKEN = (zipfile.BadZipFile, zlib.error, TokenError)
ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"


def split_by_number(test: range) -> dict[str, Split]:
    """Return the split of each character, from those to test on."""
    validation = set().union(*VALIDATION.values())
    return {
        class_name(number): (
            "validation" if number in validation else "test" if number in test else "train"
        )
        for number in (*BACKGROUND, *EVALUATION)
    }


def class_name(number: int) -> str:
    """Return what the class of a character is called."""
    return f"{number:04}"


def read_tree(roots: Sequence[Path]) -> Listing | None:
    """Read the drawings of ``images_*/ALPHABET/characterNN/``, each once.

    The small background sets repeat drawings of the large one, under the same names.
    """
    drawings: dict[str, Path] = {}
    for root in roots:
        found = [file for folder in sets_of(root) for file in sorted(folder.glob("*/*/*.png"))]
        if not found:
            return None
        for file in found:
            drawings.setdefault(file.name, file)
    listing = Listing()
    for name, file in drawings.items():
        if drawing := DRAWING.fullmatch(name):
            listing.add(drawing["character"], [FileImage(file)])
    return listing


def sets_of(root: Path) -> Iterator[Path]:
    """Yield the folders of alphabets: a root itself, or those in it."""
    pattern = "images_*"
    if root.match(pattern):
        yield root
    for parent in (root, root / TREE):
        yield from sorted(folder for folder in parent.glob(pattern) if folder.is_dir())


def read_arrays(roots: Sequence[Path]) -> Listing | None:
    """Read ``images_background.npz`` and ``images_evaluation.npz``, characters in their order."""
    files = {
        name: file
        for root in roots
        for name in ARRAYS
        if (file := root / name if root.is_dir() else root).name == name and file.is_file()
    }
    listing = Listing()
    for name, file in files.items():
        images = load_array(file, len(ARRAYS[name]))
        each = images.shape[1]
        rows = images.reshape(-1, *images.shape[2:])
        for place, number in enumerate(ARRAYS[name]):
            drawings = (ArrayImage(rows, place * each + index, file) for index in range(each))
            listing.add(class_name(number), drawings)
    return listing if files else None


def load_array(file: Path, characters: int) -> NDArray[np.bool_]:
    """Return ``images`` of a file, ``(characters, drawings, height, width)``; True is paper.

    Raises:
        DataError: It is damaged, or holds something else.
    """
    again = "restore it from the original"
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
            images: NDArray[np.bool_] = arrays["images"]
    except (ValueError, LookupError, EOFError, TypeError, MemoryError, *BROKEN) as err:
        raise DataError(f"{file} is damaged, or has no array 'images' ({err}); {again}") from err
    if images.dtype != np.bool_ or images.ndim != 4 or len(images) != characters:
        raise DataError(
            f"{file} holds {images.dtype} of shape {images.shape}; {file.name} has bool of"
            f" ({characters}, drawings, height, width): {again}"
        )
    return images


@dataclass(frozen=True, kw_only=True)
class OmniglotOptions(Hyper):
    """Which characters are for what, and whether turning one makes another."""

    split: str = hp(
        "vinyals",
        "whose split; background: all evaluation alphabets are to test on, and no others",
        one_of=("vinyals", "background"),
    )
    rotations: bool = hp(
        True, "each character turned by 90, 180 and 270 degrees is a class of its own"
    )


class Omniglot(PackedImages):
    """1028 characters to train on, 172 to validate and 423 to test; four times that with turns."""

    name = "omniglot"
    source = "Lake et al., 2015, https://doi.org/10.1126/science.aab3050"
    Options: ClassVar[type[Hyper]] = OmniglotOptions
    options: OmniglotOptions
    licence = "MIT"
    obtain = (
        "images_background.zip and images_evaluation.zip (16 MB) from"
        " https://github.com/brendenlake/omniglot/tree/master/python"
    )
    layouts = (
        Layout("images_background.npz and images_evaluation.npz", read_arrays),
        Layout(f"torchvision's {TREE}/ tree", read_tree),
    )
    downloads = (
        Download(
            url=f"{ADDRESS}images_background.zip",
            md5="68d2efa1b9178cc56df9314c21c6e718",
            bytes=9_464_212,
            folder=TREE,
        ),
        Download(
            url=f"{ADDRESS}images_evaluation.zip",
            md5="6b91aef0f799c5bb55b94e3f2daec811",
            bytes=6_462_886,
            folder=TREE,
        ),
    )
    class_splits = (
        ClassSplit("vinyals", "Vinyals et al., 2016", split_by_number(TEST)),
        ClassSplit(
            "background",
            "Lake et al., 2015, with the alphabets that Vinyals et al. validate on",
            split_by_number(EVALUATION),
        ),
    )
    images = 32_460
    images_per_class = 20
    image_size = 28
    channels = 1
    invert = True
    default_queries: ClassVar[int] = 15  # with 5 shots, all 20 drawings of a character

    def load(self, split: Split) -> ImageSplit:
        """Return the drawings of a split, turned if need be."""
        upright = super().load(split)
        return upright.turned() if self.options.rotations else upright

    def variation(self) -> dict[str, str]:
        """Return that turned characters are classes, if they are."""
        return {"turns": "0, 90, 180 and 270 degrees"} if self.options.rotations else {}
