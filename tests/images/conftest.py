"""A data set of four tiny classes, and images to fill it with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from mlbench.contract import Split
from mlbench.images import PackedImages
from mlbench.images.home import data_home
from mlbench.images.layouts import CLASS_FOLDERS, CSV, SPLIT_TREES, Layout
from mlbench.images.packed import ClassSplit

Draw = Callable[..., Path]
CLASSES: dict[str, Split] = {
    "ant": "train",
    "bee": "train",
    "cat": "validation",
    "dog": "test",
}


@pytest.fixture
def home() -> Path:
    """Return the data home of this test, which does not exist yet."""
    return data_home()


@pytest.fixture
def draw() -> Draw:
    """Return a function that writes an image of noise, the same for the same seed."""

    def write(path: Path, seed: int, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def tiny() -> type[PackedImages]:
    """Return a data set of 4 classes with 3 images each."""

    class Tiny(PackedImages):
        """Noise."""

        name = "tiny"
        source = "nowhere"
        licence = "none"
        obtain = "tiny from its author"
        layouts: ClassVar[tuple[Layout, ...]] = (CSV, SPLIT_TREES, CLASS_FOLDERS)
        class_splits: ClassVar[tuple[ClassSplit, ...]] = (ClassSplit("ours", "this test", CLASSES),)
        images = 12
        images_per_class: ClassVar[int | None] = 3
        image_size = 8

    return Tiny


@pytest.fixture
def tree(tmp_path: Path, draw: Draw) -> Path:
    """Return class trees with all of tiny's images."""
    folders = {"train": "train", "validation": "val", "test": "test"}
    for seed, (name, split) in enumerate(CLASSES.items()):
        for image in range(3):
            draw(tmp_path / "tree" / folders[split] / name / f"{image}.png", 10 * seed + image)
    return tmp_path / "tree"


@pytest.fixture
def table(tmp_path: Path, draw: Draw) -> Path:
    """Return images with CSV files: the same pixels as in ``tree``, named and ordered otherwise."""
    root = tmp_path / "table"
    for split, short in (("train", "train"), ("validation", "val"), ("test", "test")):
        lines = ["filename,label"]
        for seed, (name, belongs) in reversed(list(enumerate(CLASSES.items()))):
            for image in (2, 0, 1):
                if belongs == split:
                    file = f"{name}{image:08}.png"
                    draw(root / "images" / file, 10 * seed + image)
                    lines.append(f"{file},{name}")
        (root / f"{short}.csv").write_text("\n".join(lines) + "\n")
    return root
