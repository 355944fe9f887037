"""DTD: 5640 photographs of 47 kinds of textures.

Source: Cimpoi et al., 2014, https://arxiv.org/abs/1311.3618. Split: Meta-Dataset, Triantafillou et
al., 2020, https://arxiv.org/abs/1903.03096. The training, validation and test images of the
original are taken together: 120 a texture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlbench.contract import Split
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import CLASS_FOLDERS
from mlbench.images.layouts.torchvision_trees import torchvision_tree
from mlbench.images.packed import ClassSplit

TEXTURES: dict[Split, str] = {
    "train": """
        blotchy braided bubbly chequered cobwebbed cracked crystalline dotted fibrous flecked
        freckled frilly grooved honeycombed interlaced lacelike marbled matted meshed perforated
        pitted pleated polka-dotted potholed smeared stained striped studded swirly veined waffled
        wrinkled zigzagged
    """,
    "validation": "gauzy grid lined paisley porous scaly spiralled",
    "test": "banded bumpy crosshatched knitted sprinkled stratified woven",
}


def parts(root: Path) -> list[Any]:
    """Return the parts of torchvision's data set, undecoded; every partition has all images."""
    from torchvision.datasets import DTD

    return [DTD(root, split=split, partition=1, loader=Path) for split in ("train", "val", "test")]


class Dtd(PackedImages):
    """33 textures to train on, 7 to validate and 7 to test, as Meta-Dataset has them."""

    name = "dtd"
    source = "Cimpoi et al., 2014, https://www.robots.ox.ac.uk/~vgg/data/dtd/"
    licence = "for research"
    obtain = "dtd-r1.0.1.tar.gz (625 MB) from https://www.robots.ox.ac.uk/~vgg/data/dtd/"
    layouts = (torchvision_tree("dtd/dtd", parts), CLASS_FOLDERS)
    downloads = (
        Download(
            url="https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
            md5="fff73e5086ae6bdbea199a49dfb8a4c1",
            bytes=625_239_812,
            folder="dtd",
        ),
    )
    class_splits = (
        ClassSplit(
            "meta_dataset",
            "Triantafillou et al., 2020",
            {name: split for split, names in TEXTURES.items() for name in names.split()},
        ),
    )
    images = 5_640
    images_per_class = 120
    originals_vary = True
