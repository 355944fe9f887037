"""FC100: the 100 classes of CIFAR-100, split by superclasses so that the splits are less alike.

Source: CIFAR-100 (Krizhevsky, 2009), split by Oreshkin et al., 2018,
https://arxiv.org/abs/1805.10123: of its 20 superclasses of five classes each, 12 are to train on.
The images are those of CIFAR-FS.
"""

from __future__ import annotations

from mlbench.contract import Split
from mlbench.images.packed import ClassSplit

from .cifar_fs import CifarFs

SUPERCLASSES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
VALIDATION = (
    *("large_carnivores", "large_omnivores_and_herbivores"),
    *("non-insect_invertebrates", "small_mammals"),
)
TEST = ("aquatic_mammals", "insects", "medium_mammals", "people")


def split_of(superclass: str) -> Split:
    """Return what a superclass is for."""
    if superclass in VALIDATION:
        return "validation"
    return "test" if superclass in TEST else "train"


class Fc100(CifarFs):
    """60 classes to train on, 20 to validate, 20 to test, by Oreshkin et al.'s superclasses."""

    name = "fc100"
    source = "Oreshkin et al., 2018, https://arxiv.org/abs/1805.10123"
    class_splits = (
        ClassSplit(
            "oreshkin",
            "Oreshkin et al., 2018",
            {
                name: split_of(superclass)
                for superclass, names in SUPERCLASSES.items()
                for name in names.split()
            },
        ),
    )
