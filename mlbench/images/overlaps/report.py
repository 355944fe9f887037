"""What it means that data sets share images: as rows, by split in sentences, before a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlbench.episodes import SPLITS, Split
from mlbench.images.overlaps.pairs import Pairs, traded
from mlbench.images.overlaps.records import recall
from mlbench.images.pack import Manifest

if TYPE_CHECKING:
    from mlbench.contract import Dataset
    from mlbench.images.packed import PackedImages

COLUMNS = ("a_class", "a_split", "a_image", "b_class", "b_split", "b_image", "kind", "distance")


class Shared(NamedTuple):
    """How many images of one part of the data are also in another.

    Args:
        exact: Those that are equal to one there.
        near: Others that nearly are.
    """

    exact: int
    near: int

    @property
    def total(self) -> int:
        """Return how many there are in all."""
        return self.exact + self.near

    @property
    def kinds(self) -> str:
        """Return how many there are of each kind, in words."""
        counts = {"exact": self.exact, "near": self.near}
        return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)

    def also_in(self, ours: str, theirs: str) -> str:
        """Return the statement that images of ours are also in theirs."""
        images = "image of {} is" if self.total == 1 else "images of {} are"
        return f"{self.total} {images.format(ours)} also in {theirs} ({self.kinds})"


def shared(pairs: Pairs, a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Shared:
    """Return how many of some images b are among some images a.

    Args:
        pairs: What comparing found.
        a: Which images a count, ``(images,)``.
        b: Which images b count, ``(images,)``.
    """
    chosen = pairs[a[pairs["a"]] & b[pairs["b"]]]
    exact = len(np.unique(chosen["b"][chosen["exact"]]))
    return Shared(exact, len(np.unique(chosen["b"])) - exact)


def class_of_each(manifest: Manifest) -> NDArray[np.str_]:
    """Return the class of each packed image, ``(images,)``."""
    names = np.array([each.name for each in manifest.classes])
    return np.repeat(names, [each.count for each in manifest.classes])


def members(manifest: Manifest, classes: Collection[str]) -> NDArray[np.bool_]:
    """Return which packed images are of some classes, ``(images,)``."""
    return np.isin(class_of_each(manifest), list(classes))


def of_split(manifest: Manifest, split: Split) -> NDArray[np.bool_]:
    """Return which packed images a split has by default, ``(images,)``."""
    return members(manifest, [n for n, where in manifest.split.splits.items() if where == split])


def rows_of(pairs: Pairs, first: Manifest, second: Manifest) -> list[dict[str, Any]]:
    """Return a row per pair, the surest first; an image is its place in the pack."""
    order = np.lexsort((pairs["b"], pairs["a"], pairs["distance"], ~pairs["exact"]))
    pairs = pairs[order]
    sides = {
        side: (manifest.split.splits, class_of_each(manifest)[pairs[side]].tolist())
        for side, manifest in (("a", first), ("b", second))
    }
    rows = []
    for number, (a, b, distance, exact) in enumerate(pairs.tolist()):
        row: dict[str, Any] = {"kind": "exact" if exact else "near", "distance": distance}
        for side, image in (("a", a), ("b", b)):
            splits, classes = sides[side]
            row[f"{side}_class"] = classes[number]
            row[f"{side}_split"] = splits.get(classes[number])
            row[f"{side}_image"] = image
        rows.append(row)
    return rows


def summary(pairs: Pairs, first: Manifest, second: Manifest | None) -> list[str]:
    """Return what was found for every pair of splits that share images, and what it means.

    Counted are the images of that split which comes later: of test, not of train.
    """
    if not len(pairs):
        if second is None:
            return [f"no two of the {first.count} images of {first.name} are one"]
        return [
            f"none of the {first.count} images of {first.name} is among the"
            f" {second.count} of {second.name}"
        ]
    lines = []
    both = np.concatenate([pairs, traded(pairs)]) if second is None else pairs
    for later in SPLITS:
        for earlier in SPLITS[: SPLITS.index(later) + 1]:
            lines += met(both, first, second or first, earlier, later)
            if second is not None and earlier != later:
                lines += met(traded(pairs), second, first, earlier, later)
    return lines or ["all of them are of classes that no split uses"]


def met(pairs: Pairs, a: Manifest, b: Manifest, earlier: Split, later: Split) -> list[str]:
    """Return how many images of a split of b are in one of a; nothing if none is."""
    found = shared(pairs, of_split(a, earlier), of_split(b, later))
    if not found.total:
        return []
    if a is b and earlier == later:
        return [f"{found.total} images of {a.name}'s {later} split are there again ({found.kinds})"]
    line = found.also_in(f"{b.name}'s {later} split", f"{a.name}'s {earlier} split")
    if (earlier, later) == ("train", "test"):
        line += f": training on {a.name} shows them before {b.name} is tested on"
    return [line]


def run_warnings(datasets: Mapping[str, Dataset], train: str) -> list[str]:
    """Return what is to be said of images that a run both trains and is tested on.

    Args:
        datasets: Those of the run by name, as it uses them.
        train: The name of the one that is trained on; the others are tested on.
    """
    source = packed(datasets[train])
    lines = []
    for name, dataset in datasets.items():
        target = packed(dataset)
        if name == train or source is None or target is None:
            continue
        ours, theirs = source.pack.manifest, target.pack.manifest
        pairs = recall(ours, theirs)
        check = f"mlbench data overlap {train} {name}"
        if pairs is None:
            lines.append(
                f"{train} and {name} were not checked for images that both hold; to check: {check}"
            )
            continue
        trained, tested = source.members["train"], target.members["test"]
        found = shared(pairs, members(ours, trained), members(theirs, tested))
        if found.total:
            line = found.also_in(f"{name}'s test split", f"{train}'s train split")
            lines.append(f"{line}; to see them: {check}")
    return lines


def packed(dataset: Dataset) -> PackedImages | None:
    """Return the packed images that a data set is, in whatever shape, or nothing."""
    from mlbench.images.dataset import Reshaped
    from mlbench.images.packed import PackedImages

    original = dataset.original if isinstance(dataset, Reshaped) else dataset
    return original if isinstance(original, PackedImages) else None
