"""FGVC-Aircraft: 10 000 photographs of 100 variants of aircraft.

Source: Maji et al., 2013, https://arxiv.org/abs/1306.5151. Split: Meta-Dataset, Triantafillou et
al., 2020, https://arxiv.org/abs/1903.03096. All images of the original are taken together: 100 a
variant. Below each photograph is a banner that names its author; Meta-Dataset cuts images to their
bounding boxes, which ``mlbench data add aircraft PATH --crop bbox`` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlbench.contract import Split
from mlbench.images import PackedImages
from mlbench.images.layouts.cub import bounding_boxes
from mlbench.images.layouts.torchvision_trees import torchvision_tree
from mlbench.images.packed import ClassSplit
from mlbench.images.pictures import Box

TREE = "fgvc-aircraft-2013b"
VARIANTS: dict[Split, str] = {
    "train": """
        707-320, 727-200, 737-200, 737-300, 737-500, 737-600, 737-700, 747-100, 747-200, 747-300,
        747-400, 767-300, 777-200, 777-300, A300B4, A318, A319, A321, A330-200, A330-300, A340-200,
        A340-300, A340-500, A340-600, A380, ATR-72, An-12, BAE 146-200, C-130, C-47, Cessna 172,
        Cessna 208, Cessna 525, Cessna 560, Challenger 600, DC-3, DC-6, DH-82, DHC-1, DHC-6,
        DHC-8-100, DR-400, Dornier 328, E-190, E-195, EMB-120, ERJ 135, ERJ 145, Embraer Legacy 600,
        Eurofighter Typhoon, F-16A/B, F/A-18, Falcon 2000, Falcon 900, Fokker 100, Fokker 50,
        Fokker 70, Global Express, Gulfstream IV, Hawk T1, Il-76, MD-11, MD-80, MD-87, Metroliner,
        Model B200, PA-28, Saab 340, Tu-134, Tu-154
    """,
    "validation": """
        737-900, 757-300, 767-200, A310, A320, BAE 146-300, CRJ-900, DC-10, DC-8, DC-9-30,
        DHC-8-300, Gulfstream V, SR-20, Tornado, Yak-42
    """,
    "test": """
        737-400, 737-800, 757-200, 767-400, ATR-42, BAE-125, Beechcraft 1900, Boeing 717, CRJ-200,
        CRJ-700, E-170, L-1011, MD-90, Saab 2000, Spitfire
    """,
}


def parts(root: Path) -> list[Any]:
    """Return the parts of torchvision's data set, undecoded."""
    from torchvision.datasets import FGVCAircraft

    return [FGVCAircraft(root, split=split, loader=Path) for split in ("trainval", "test")]


def boxes(root: Path) -> dict[str, Box]:
    """Return the bounding box of each image; the file has the corners, counted from 1."""
    corners = bounding_boxes(root / TREE / "data" / "images_box.txt")
    return {
        image: (left - 1, top - 1, right - left + 1, bottom - top + 1)
        for image, (left, top, right, bottom) in corners.items()
    }


class Aircraft(PackedImages):
    """70 variants to train on, 15 to validate and 15 to test, as Meta-Dataset has them."""

    name = "aircraft"
    source = "Maji et al., 2013, https://arxiv.org/abs/1306.5151"
    licence = "for non-commercial research only"
    obtain = (
        "fgvc-aircraft-2013b.tar.gz (2.8 GB) from"
        " https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/"
    )
    layouts = (torchvision_tree(TREE, parts, boxes=boxes),)
    class_splits = (
        ClassSplit(
            "meta_dataset",
            "Triantafillou et al., 2020",
            {name.strip(): split for split, names in VARIANTS.items() for name in names.split(",")},
        ),
    )
    images = 10_000
    images_per_class = 100
    originals_vary = True
