"""CUB-200-2011: the official classes, split as Chen et al. do, whichever of them are present."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from mlbench.registry import load_dataset


@pytest.fixture
def cub() -> type[PackedImages]:
    data = load_dataset("cub")
    assert issubclass(data, PackedImages)
    return data


def test_there_are_100_base_50_validation_and_50_novel_classes(cub: type[PackedImages]) -> None:
    assert Counter(cub.classes.values()) == {"train": 100, "validation": 50, "test": 50}
    assert list(cub.classes) == sorted(cub.classes)
    assert cub.images == 11_788


def test_the_split_goes_by_all_official_classes_not_by_those_present(
    cub: type[PackedImages], tmp_path: Path, paint: Callable[[Path, int], None]
) -> None:
    present = ["003.Sooty_Albatross", "004.Groove_billed_Ani", "006.Least_Auklet"]
    for number, name in enumerate(present):
        paint(tmp_path / "images" / name / "a.png", number)
        paint(tmp_path / "images" / name / "b.png", 10 + number)
    manifest = add(cub, find_originals(cub, tmp_path), partial=True).manifest
    assert {split: packed.class_names for split, packed in manifest.splits.items()} == {
        "train": (present[0],),
        "validation": (present[2],),
        "test": (present[1],),
    }
    assert manifest.missing == "3 of 200 classes, 2 of ~59 images a class"


def test_the_official_tree_and_class_folders_are_the_same_data(
    cub: type[PackedImages], tmp_path: Path, paint: Callable[[Path, int], None]
) -> None:
    names = list(cub.classes)[:4]
    for number, name in enumerate(names):
        paint(tmp_path / "tree" / "images" / name / "Bird_0001.jpg", number)
        paint(tmp_path / "flat" / "images" / name / "00001.jpg", number)
    official = {
        "images.txt": [f"{number} {name}/Bird_0001.jpg" for number, name in enumerate(names, 1)],
        "classes.txt": [f"{number} {name}" for number, name in enumerate(names, 1)],
        "image_class_labels.txt": [f"{number} {number}" for number in range(1, 5)],
    }
    for file, lines in official.items():
        (tmp_path / "tree" / file).write_text("\n".join(lines) + "\n")
    first = add(cub, find_originals(cub, tmp_path / "tree"), partial=True)
    second = add(cub, find_originals(cub, tmp_path / "flat"), partial=True)
    assert first.manifest.layout == "the official CUB_200_2011/ tree"
    assert second.outcome == "unchanged"


def test_a_bird_that_is_not_official_is_refused(
    cub: type[PackedImages], tmp_path: Path, paint: Callable[[Path, int], None]
) -> None:
    paint(tmp_path / "images" / "201.Dodo" / "a.png", 0)
    with pytest.raises(DataError, match=r"class 201\.Dodo, which cub .* does not have"):
        find_originals(cub, tmp_path)


def test_the_real_crops_are_44_28_and_28_classes_of_30(
    cub: type[PackedImages], real_data: Path
) -> None:
    originals = find_originals(cub, real_data / "cub" / "bboxcrop227_100x30")
    data_set = add(cub, originals, partial=True).manifest
    sizes = {split: packed.class_sizes for split, packed in data_set.splits.items()}
    assert sizes == {"train": (30,) * 44, "validation": (30,) * 28, "test": (30,) * 28}
    assert cub().incomplete == (
        "100 of 200 classes, 30 of ~59 images a class, not the original images (all 227x227)"
    )


def test_the_real_official_tree_is_read_by_its_index(
    cub: type[PackedImages], real_data: Path
) -> None:
    originals = find_originals(cub, real_data / "cub" / "CUB_200_2011_sub10x20")
    assert originals.missing == "10 of 200 classes, 20 of ~59 images a class"
    manifest = add(cub, originals, partial=True).manifest
    counts = {split: len(packed.class_names) for split, packed in manifest.splits.items()}
    assert counts == {"train": 6, "validation": 1, "test": 3}


def test_the_split_is_the_published_one(cub: type[PackedImages], real_data: Path) -> None:
    published = json.loads((real_data / "cub" / "splits" / "chen_base_val_novel.json").read_text())
    names = {"train": "base", "validation": "val", "test": "novel"}
    for split, theirs in names.items():
        ours = {name for name, belongs in cub.classes.items() if belongs == split}
        assert ours == set(published[theirs])
