"""MNIST: 70 000 handwritten digits, to be tested on.

Source: LeCun, Bottou, Bengio and Haffner, 1998, https://doi.org/10.1109/5.726791. Few-shot
learning tests on all ten digits what it learnt elsewhere, as Triantafillou et al., 2020,
https://arxiv.org/abs/1903.03096, do. A class is named by its digit; the training and the test
images of MNIST are taken together. Digits are white on black, unlike Omniglot's characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import Layout, Listing
from mlbench.images.layouts.idx import read_idx
from mlbench.images.packed import ClassSplit
from mlbench.images.pictures import ArrayImage

RAW = "MNIST/raw"
PARTS = ("train", "t10k")
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = (
    ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
    ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
    ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
    ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
)
WHOLE = 10_000  # images of the smaller part


def read_mnist(roots: Sequence[Path]) -> Listing | None:
    """Read the IDX files, gzipped or not, of whichever parts are there."""
    listing = Listing()
    folders = dict.fromkeys(folder for root in roots for folder in folders_of(root))
    for part in PARTS:
        images = find(list(folders), f"{part}-images-idx3-ubyte")
        if images is None:
            continue
        labels = find([images.parent], f"{part}-labels-idx1-ubyte")
        if labels is None:
            raise DataError(f"{images} has no {part}-labels-idx1-ubyte beside it; put it there")
        for name, rows in digits(images, labels).items():
            listing.add(name, rows)
    return listing if listing.images else None


def digits(images: Path, labels: Path) -> dict[str, list[ArrayImage]]:
    """Return the images of each digit.

    Raises:
        DataError: The files are damaged, do not belong together, or are of another data set.
    """
    pixels, digit = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or digit.shape != pixels.shape[:1] or digit.max(initial=0) > 9:
        raise DataError(
            f"{images} has the shape {pixels.shape} and {labels} {digit.shape}, with numbers up to"
            f" {digit.max(initial=0)}: they are not images with a digit each; restore the originals"
        )
    counts = np.bincount(digit, minlength=10)
    if len(digit) >= WHOLE and len(set(counts.tolist())) == 1:
        raise DataError(
            f"{labels} has all classes equally often, as Fashion-MNIST and KMNIST have and MNIST"
            f" has not; get {Mnist.obtain}"
        )
    return {
        str(each): [ArrayImage(pixels, int(row), images) for row in np.flatnonzero(digit == each)]
        for each in np.flatnonzero(counts)
    }


def folders_of(root: Path) -> list[Path]:
    """Return where below a root, or beside a file, the IDX files may lie."""
    if root.is_file():
        return [root.parent] if "-ubyte" in root.name else []
    return [root, root / RAW, root / "raw"]


def find(folders: Sequence[Path], name: str) -> Path | None:
    """Return the first file of that name, gzipped or not."""
    files = (folder / f"{name}{suffix}" for folder in folders for suffix in ("", ".gz"))
    return next((file for file in files if file.is_file()), None)


class Mnist(PackedImages):
    """Ten digits in many hands, all for testing."""

    name = "mnist"
    source = "LeCun et al., 1998, https://doi.org/10.1109/5.726791"
    licence = "CC BY-SA 3.0"
    obtain = f"the four files {FILES[0][0]} and so on (12 MB) from {MIRROR}"
    layouts = (Layout(f"torchvision's {RAW}/ tree", read_mnist),)
    downloads = tuple(
        Download(url=f"{MIRROR}{file}", md5=md5, bytes=size, folder=RAW, extract=False)
        for file, md5, size in FILES
    )
    class_splits = (
        ClassSplit(
            "test",
            "all digits to test on, as Triantafillou et al., 2020",
            {str(digit): "test" for digit in range(10)},
        ),
    )
    images = 70_000
    image_size = 28
    channels = 1
