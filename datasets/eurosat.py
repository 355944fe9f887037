"""EuroSAT: 27 000 satellite images of ten kinds of land, to be tested on.

Source: Helber et al., 2019, https://arxiv.org/abs/1709.00029, in red, green and blue. Few-shot
learning tests on all ten classes what it learnt elsewhere, as BSCD-FSL, Guo et al., 2020,
https://arxiv.org/abs/1912.07200, does. Images are 64x64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import CLASS_FOLDERS
from mlbench.images.layouts.torchvision_trees import torchvision_tree
from mlbench.images.packed import ClassSplit

CLASSES = """
    AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential
    River SeaLake
"""


def parts(root: Path) -> list[Any]:
    """Return torchvision's data set, undecoded."""
    from torchvision.datasets import EuroSAT

    return [EuroSAT(root, loader=Path)]


class Eurosat(PackedImages):
    """Ten kinds of land, all for testing."""

    name = "eurosat"
    source = "Helber et al., 2019, https://arxiv.org/abs/1709.00029"
    licence = "MIT; made from Copernicus Sentinel data"
    obtain = "EuroSAT.zip (94 MB), linked at https://github.com/phelber/EuroSAT"
    layouts = (torchvision_tree("eurosat/2750", parts), CLASS_FOLDERS)
    downloads = (
        Download(
            url=(
                "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
            ),
            md5="c8fa014336c82ac7804f0398fcb19387",
            bytes=94_280_567,
            folder="eurosat",
        ),
    )
    class_splits = (
        ClassSplit(
            "test",
            "all classes to test on, as Guo et al., 2020",
            dict.fromkeys(CLASSES.split(), "test"),
        ),
    )
    images = 27_000
