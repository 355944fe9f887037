"""GTSRB: photographs of 43 German traffic signs, to be tested on.

Source: Stallkamp et al., 2012, https://doi.org/10.1016/j.neunet.2012.02.016. Few-shot learning
tests on all signs what it learnt elsewhere, as Triantafillou et al., 2020,
https://arxiv.org/abs/1903.03096, do. A class is named as Meta-Dataset names it, by its original
number and its meaning.

The whole is what torchvision downloads: 26 640 training images (``GTSRB-Training_fixed.zip``, of
the first round of the competition) and 12 630 test images. The final training set
(``GTSRB_Final_Training_Images.zip``, 39 209 images, all that Meta-Dataset takes) can be packed in
the place of the first one, or alone; it is reported as other than the whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import Layout, Listing
from mlbench.images.layouts.listing import class_folders, inner
from mlbench.images.packed import ClassSplit
from mlbench.images.pictures import FileImage

SIGNS = """
    Speed limit (20km/h), Speed limit (30km/h), Speed limit (50km/h), Speed limit (60km/h),
    Speed limit (70km/h), Speed limit (80km/h), End of speed limit (80km/h), Speed limit (100km/h),
    Speed limit (120km/h), No passing, No passing for vehicles over 3.5 metric tons,
    Right-of-way at the next intersection, Priority road, Yield, Stop, No vehicles,
    Vehicles over 3.5 metric tons prohibited, No entry, General caution,
    Dangerous curve to the left, Dangerous curve to the right, Double curve, Bumpy road,
    Slippery road, Road narrows on the right, Road work, Traffic signals, Pedestrians,
    Children crossing, Bicycles crossing, Beware of ice/snow, Wild animals crossing,
    End of all speed and passing limits, Turn right ahead, Turn left ahead, Ahead only,
    Go straight or right, Go straight or left, Keep right, Keep left, Roundabout mandatory,
    End of no passing, End of no passing by vehicles over 3.5 metric tons
"""
CLASSES = [f"{number:02}.{sign.strip()}" for number, sign in enumerate(SIGNS.split(","))]
TREES = ("", "GTSRB", "gtsrb", "gtsrb/GTSRB")
"""Where below a root the folders of the training and the test images are looked for."""
TRAINING = ("Training", "Final_Training/Images")
TEST = "Final_Test/Images"
LABELS = "GT-final_test.csv"
ADDRESS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"


def read_gtsrb(roots: Sequence[Path]) -> Listing | None:
    """Read the training images of one of the two sets, and the test images, if they are there."""
    trees = [root / tree for root in roots for tree in TREES]
    training = [tree / part for part in TRAINING for tree in trees if (tree / part).is_dir()]
    test = [tree / TEST for tree in trees if (tree / TEST).is_dir()]
    if not (training or test):
        return None
    listing = Listing()
    for folder, pictures in class_folders(training[0]) if training else ():
        listing.add(class_name(folder), pictures)
    if test:
        for file, label in labels(test[0], trees):
            listing.add(class_name(label), [FileImage(test[0] / file)])
    return listing


def class_name(number: str) -> str:
    """Return what the class of a number is called; of another text, that text."""
    known = number.isdecimal() and int(number) < len(CLASSES)
    return CLASSES[int(number)] if known else number


def labels(images: Path, trees: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the name of each test image and its number.

    Raises:
        DataError: The file that says so is absent or damaged.
    """
    places = [images, images.parent, *trees, *(tree.parent for tree in trees)]
    file = next((place / LABELS for place in places if (place / LABELS).is_file()), None)
    if file is None:
        raise DataError(
            f"{images} has no {LABELS} beside it, which names its classes; put that of"
            " GTSRB_Final_Test_GT.zip there"
        )
    try:
        with file.open(newline="", encoding="utf-8") as text:
            for row in csv.DictReader(text, delimiter=";", skipinitialspace=True):
                yield inner(str(row["Filename"]), file), str(row["ClassId"])
    except (KeyError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{file} is damaged ({err}); restore it from the original") from err


class Gtsrb(PackedImages):
    """43 traffic signs, all for testing."""

    name = "gtsrb"
    source = "Stallkamp et al., 2012, https://doi.org/10.1016/j.neunet.2012.02.016"
    licence = "none is stated; its authors ask to be cited"
    obtain = (
        "GTSRB-Training_fixed.zip, GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip (277 MB)"
        f" from {ADDRESS}"
    )
    layouts = (Layout("torchvision's gtsrb/GTSRB/ tree", read_gtsrb),)
    downloads = (
        Download(
            url=f"{ADDRESS}GTSRB-Training_fixed.zip",
            md5="513f3c79a4c5141765e10e952eaa2478",
            bytes=187_490_228,
            folder="gtsrb",
        ),
        Download(
            url=f"{ADDRESS}GTSRB_Final_Test_Images.zip",
            md5="c7e4e6327067d32654124b0fe9e82185",
            bytes=88_978_620,
            folder="gtsrb",
        ),
        Download(
            url=f"{ADDRESS}GTSRB_Final_Test_GT.zip",
            md5="fe31e9c9270bbcd7b84b7f21a9d9d9e5",
            bytes=99_620,
            folder="gtsrb",
        ),
    )
    class_splits = (
        ClassSplit(
            "test",
            "all classes to test on, as Triantafillou et al., 2020",
            dict.fromkeys(CLASSES, "test"),
        ),
    )
    images = 39_270
    originals_vary = True
