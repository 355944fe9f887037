"""CIFAR-FS: the 100 classes of CIFAR-100, 64 of them to train on.

Source: CIFAR-100 (Krizhevsky, 2009), split by Bertinetto et al., 2019,
https://arxiv.org/abs/1805.08136. The training and the test images of CIFAR-100 are taken together:
600 a class. A class is named as CIFAR-100 names it.
"""

from __future__ import annotations

from pathlib import Path

from mlbench.contract import Split
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import CLASS_FOLDERS, Layout, Listing, each
from mlbench.images.layouts.torchvision_trees import root_of, unreadable
from mlbench.images.packed import ClassSplit
from mlbench.images.pictures import ArrayImage

TREE = "cifar-100-python"
CLASSES: dict[Split, str] = {
    "train": """
        apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock
        cloud cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo
        keyboard lawn_mower lion lizard lobster mountain mouse mushroom oak_tree orange orchid
        palm_tree pear pine_tree plate porcupine possum rabbit raccoon ray road seal shrew skunk
        skyscraper snake spider squirrel streetcar sunflower tank tiger train trout tulip turtle
        willow_tree wolf
    """,
    "validation": """
        beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle
        otter sea shark television tractor
    """,
    "test": """
        baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
        sweet_pepper table telephone wardrobe whale woman worm
    """,
}


def read_cifar100(path: Path) -> Listing | None:
    """Read the pickles of CIFAR-100, which torchvision compares with their checksums first."""
    from torchvision.datasets import CIFAR100

    root = root_of(path, TREE)
    if root is None or not any((root / TREE / part).is_file() for part in ("train", "test")):
        return None
    try:
        parts = [CIFAR100(root, train=train) for train in (True, False)]
    except RuntimeError as err:
        raise unreadable(root / TREE, err) from err
    listing = Listing()
    for part, file in zip(parts, ("train", "test"), strict=True):
        for row, label in enumerate(part.targets):
            image = ArrayImage(part.data, row, root / TREE / file)
            listing.add(part.classes[label], [image])
    return listing


class CifarFs(PackedImages):
    """64 classes to train on, 16 to validate, 20 to test, as Bertinetto et al. chose them."""

    name = "cifar_fs"
    source = "Bertinetto et al., 2019, https://arxiv.org/abs/1805.08136"
    licence = "none is stated; its author asks to be cited (Krizhevsky, 2009)"
    obtain = "cifar-100-python.tar.gz (169 MB) from https://www.cs.toronto.edu/~kriz/cifar.html"
    layouts = (Layout(f"torchvision's {TREE}/ tree", each(read_cifar100)), CLASS_FOLDERS)
    downloads = (
        Download(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            bytes=169_001_437,
        ),
    )
    class_splits = (
        ClassSplit(
            "bertinetto",
            "Bertinetto et al., 2019",
            {name: split for split, names in CLASSES.items() for name in names.split()},
        ),
    )
    images = 60_000
    images_per_class = 600
    image_size = 32
