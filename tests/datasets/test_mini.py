"""miniImageNet: Ravi and Larochelle's classes, from either layout, and no others."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from mlbench.registry import load_dataset

FILES: dict[Split, str] = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}


@pytest.fixture
def mini() -> type[PackedImages]:
    data = load_dataset("mini")
    assert issubclass(data, PackedImages)
    return data


def classes(data: type[PackedImages]) -> Mapping[str, Split]:
    """Return the split of each class; there is one published split."""
    (split,) = data.class_splits
    return split.classes


@pytest.fixture
def trees(mini: type[PackedImages], tmp_path: Path, paint: Callable[[Path, int], None]) -> Path:
    folders = {"train": "train", "validation": "val", "test": "test"}
    for number, (name, split) in enumerate(classes(mini).items()):
        paint(tmp_path / "trees" / folders[split] / name / "0.png", number)
    return tmp_path / "trees"


def test_there_are_64_classes_to_train_16_to_validate_and_20_to_test(
    mini: type[PackedImages],
) -> None:
    assert Counter(classes(mini).values()) == {"train": 64, "validation": 16, "test": 20}
    assert mini.images == 100 * 600


def test_images_with_csv_files_and_class_trees_are_the_same_data(
    mini: type[PackedImages], trees: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    (table / "images").mkdir(parents=True)
    for split, file in FILES.items():
        rows = ["class_name,image_name"]
        for folder in (trees / file.removesuffix(".csv")).iterdir():
            shutil.copy(folder / "0.png", table / "images" / f"{folder.name}00000001.png")
            rows.append(f"{folder.name},{folder.name}00000001.png")
        assert len(rows) - 1 == Counter(classes(mini).values())[split]
        (table / file).write_text("\n".join(rows))
    first = add(mini, find_originals(mini, trees), partial=True)
    second = add(mini, find_originals(mini, table), partial=True)
    assert second.outcome == "unchanged"
    assert first.manifest.missing == "1 of 600 images a class"


def test_the_selection_of_vinyals_is_refused(
    mini: type[PackedImages], trees: Path, paint: Callable[[Path, int], None]
) -> None:
    paint(trees / "train" / "n01614925" / "0.png", 0)  # a training class of Vinyals et al.
    with pytest.raises(DataError, match=r"n01614925, which mini \(split of Ravi and Larochelle, 2"):
        find_originals(mini, trees)


def test_classes_cut_into_splits_otherwise_are_refused(
    mini: type[PackedImages], trees: Path
) -> None:
    (trees / "test" / "n01930112").rename(trees / "train" / "n01930112")
    with pytest.raises(DataError, match=r"class n01930112 in train, which .* has in test"):
        find_originals(mini, trees)


@pytest.mark.slow
def test_the_real_subset_packs_to_60_images_a_class(
    mini: type[PackedImages], real_data: Path
) -> None:
    root = real_data / "miniimagenet" / "subset60"
    add(mini, find_originals(mini, root))  # its CSV files name what it has and no more
    data = mini()
    assert data.incomplete == "60 of 600 images a class"
    for split, classes in {"train": 64, "validation": 16, "test": 20}.items():
        images = data.split(next(s for s in SPLITS if s == split))
        assert images.class_sizes == (60,) * classes
        assert images.gather(images.indices[::60]).shape == (classes, 3, 84, 84)


@pytest.mark.parametrize("split", SPLITS)
def test_the_classes_are_those_of_the_published_lists(
    split: Split, mini: type[PackedImages], real_data: Path
) -> None:
    path = real_data / "miniimagenet" / "splits" / "ravi" / FILES[split]
    with path.open(newline="") as file:
        published = {row["label"] for row in csv.DictReader(file)}
    assert {name for name, belongs in classes(mini).items() if belongs == split} == published
