"""Flowers-102 (VGG Flower): 8189 photographs of 102 species of flowers.

Source: Nilsback and Zisserman, 2008, https://doi.org/10.1109/ICVGIP.2008.47. Split: Meta-Dataset,
Triantafillou et al., 2020, https://arxiv.org/abs/1903.03096. The training, validation and test
images of the original are taken together. A class is named as Meta-Dataset names it, by its
original number and its species.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlbench.contract import Split
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts.torchvision_trees import torchvision_tree
from mlbench.images.packed import ClassSplit

TREE = "flowers-102"
SPECIES = """
    pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold,
    tiger lily, moon orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot,
    king protea, spear thistle, yellow iris, globe-flower, purple coneflower, peruvian lily,
    balloon flower, giant white arum lily, fire lily, pincushion flower, fritillary, red ginger,
    grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke,
    sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly,
    ruby-lipped cattleya, cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy,
    daffodil, sword lily, poinsettia, bolero deep blue, wallflower, marigold, buttercup,
    oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower, pelargonium,
    bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata,
    japanese anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus,
    bearded iris, windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple,
    morning glory, passion flower, lotus, toad lily, anthurium, frangipani, clematis, hibiscus,
    columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress, canna lily, hippeastrum,
    bee balm, ball moss, foxglove, bougainvillea, camellia, mallow, mexican petunia, bromelia,
    blanket flower, trumpet creeper, blackberry lily
"""
VALIDATION = (10, 16, 17, 23, 26, 47, 53, 56, 57, 62, 82, 83, 86, 97, 102)
TEST = (5, 9, 15, 19, 35, 40, 41, 42, 45, 46, 65, 85, 89, 94, 96, 98)
ADDRESS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"


def class_name(label: int, species: str) -> str:
    """Return what a class is called; its number is one more than its label."""
    return f"{label + 1:03}.{species}"


def split_of(number: int) -> Split:
    """Return what a class is for."""
    return "validation" if number in VALIDATION else "test" if number in TEST else "train"


def parts(root: Path) -> list[Any]:
    """Return the parts of torchvision's data set, undecoded."""
    from torchvision.datasets import Flowers102

    return [Flowers102(root, split=split, loader=Path) for split in ("train", "val", "test")]


class Flowers(PackedImages):
    """71 species to train on, 15 to validate and 16 to test, as Meta-Dataset has them."""

    name = "flowers"
    source = "Nilsback and Zisserman, 2008, https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    licence = "none is stated; photographs from the web, for research"
    obtain = f"102flowers.tgz (345 MB), imagelabels.mat and setid.mat from {ADDRESS}"
    layouts = (torchvision_tree(TREE, parts, name=class_name),)
    downloads = (
        Download(
            url=f"{ADDRESS}102flowers.tgz",
            md5="52808999861908f626f3c1f4e79d11fa",
            bytes=344_862_509,
            folder=TREE,
        ),
        Download(
            url=f"{ADDRESS}imagelabels.mat",
            md5="e0620be6f572b9609742df49c70aed4d",
            bytes=502,
            folder=TREE,
            extract=False,
        ),
        Download(
            url=f"{ADDRESS}setid.mat",
            md5="a5357ecc9cb78c4bef273ce3793fc85c",
            bytes=14_989,
            folder=TREE,
            extract=False,
        ),
    )
    class_splits = (
        ClassSplit(
            "meta_dataset",
            "Triantafillou et al., 2020",
            {
                class_name(label, species.strip()): split_of(label + 1)
                for label, species in enumerate(SPECIES.split(","))
            },
        ),
    )
    images = 8_189
    originals_vary = True
