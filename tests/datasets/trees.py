"""Tiny trees in the forms that torchvision reads, and what should be found in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.io import savemat  # type: ignore[import-untyped]

from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.pictures import FileImage
from mlbench.registry import load_dataset

Paint = Callable[[Path, int], None]
Build = Callable[[Path, Paint], None]
Found = dict[str, list[str]]


def load(name: str) -> type[PackedImages]:
    data = load_dataset(name)
    assert issubclass(data, PackedImages)
    return data


def found(name: str, root: Path) -> Found:
    """Return the names of the image files that are found, by class."""
    images = find_originals(load(name), root).listing.images
    return {
        name: sorted(picture.path.name for picture in some if isinstance(picture, FileImage))
        for name, some in images.items()
    }


def write_lines(file: Path, *lines: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def build_flowers(root: Path, paint: Paint) -> None:
    folder = root / "flowers-102"
    for number in range(1, 7):
        paint(folder / "jpg" / f"image_{number:05}.jpg", number)
    savemat(folder / "imagelabels.mat", {"labels": np.array([1, 5, 102, 10, 10, 1])})
    sets = {"trnid": [1, 2], "valid": [4, 3], "tstid": [6, 5]}
    savemat(folder / "setid.mat", {name: np.array(some) for name, some in sets.items()})


def build_aircraft(root: Path, paint: Paint) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    for number in range(4):
        paint(data / "images" / f"000{number}.jpg", number)
    write_lines(data / "variants.txt", "BAE 146-300", "F-16A/B", "Spitfire")
    write_lines(data / "images_variant_trainval.txt", "0000 F-16A/B", "0001 BAE 146-300")
    write_lines(data / "images_variant_test.txt", "0002 Spitfire", "0003 F-16A/B")


def build_dtd(root: Path, paint: Paint) -> None:
    data = root / "dtd" / "dtd"
    lines = {
        "train1.txt": ["grid/grid_1.jpg", "polka-dotted/polka-dotted_1.jpg"],
        "val1.txt": ["woven/woven_1.jpg"],
        "test1.txt": ["polka-dotted/polka-dotted_2.jpg", "woven/woven_2.jpg"],
    }
    for file, images in lines.items():
        write_lines(data / "labels" / file, *images)
        for number, image in enumerate(images):
            paint(data / "images" / image, 10 * len(file) + number)


def build_eurosat(root: Path, paint: Paint) -> None:
    for number, image in enumerate(["Forest/Forest_1.jpg", "SeaLake/a.jpg", "SeaLake/b.jpg"]):
        paint(root / "eurosat" / "2750" / image, number)


def build_gtsrb(root: Path, paint: Paint) -> None:
    paint(root / "gtsrb" / "GTSRB" / "Training" / "00014" / "00000_00001.ppm", 1)
    paint(root / "gtsrb" / "GTSRB" / "Training" / "00002" / "00000_00000.ppm", 2)
    write_lines(root / "gtsrb" / "GTSRB" / "Training" / "00002" / "GT-00002.csv", "Filename")
    for number in range(2):
        paint(root / "gtsrb" / "GTSRB" / "Final_Test" / "Images" / f"0000{number}.ppm", 3 + number)
    write_labels(root / "gtsrb" / "GT-final_test.csv")


def write_labels(file: Path) -> None:
    write_lines(file, "Filename;Width;ClassId", "00000.ppm;53;2", "00001.ppm;42;42")


TREES: dict[str, tuple[Build, list[str], Found]] = {
    "flowers": (
        build_flowers,
        ["", "flowers-102"],
        {
            "001.pink primrose": ["image_00001.jpg", "image_00006.jpg"],
            "005.english marigold": ["image_00002.jpg"],
            "010.globe thistle": ["image_00004.jpg", "image_00005.jpg"],
            "102.blackberry lily": ["image_00003.jpg"],
        },
    ),
    "aircraft": (
        build_aircraft,
        ["", "fgvc-aircraft-2013b"],
        {
            "BAE 146-300": ["0001.jpg"],
            "F-16A/B": ["0000.jpg", "0003.jpg"],
            "Spitfire": ["0002.jpg"],
        },
    ),
    "dtd": (
        build_dtd,
        ["", "dtd", "dtd/dtd"],
        {
            "grid": ["grid_1.jpg"],
            "polka-dotted": ["polka-dotted_1.jpg", "polka-dotted_2.jpg"],
            "woven": ["woven_1.jpg", "woven_2.jpg"],
        },
    ),
    "eurosat": (
        build_eurosat,
        ["", "eurosat", "eurosat/2750"],
        {"Forest": ["Forest_1.jpg"], "SeaLake": ["a.jpg", "b.jpg"]},
    ),
    "gtsrb": (
        build_gtsrb,
        ["", "gtsrb", "gtsrb/GTSRB"],
        {
            "02.Speed limit (50km/h)": ["00000.ppm", "00000_00000.ppm"],
            "14.Stop": ["00000_00001.ppm"],
            "42.End of no passing by vehicles over 3.5 metric tons": ["00001.ppm"],
        },
    ),
}
