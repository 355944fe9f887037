"""CIFAR-FS and FC100: two splits of CIFAR-100, read as torchvision reads it."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR100

from mlbench.contract import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from mlbench.registry import load_dataset

FILES: dict[Split, str] = {"train": "train.json", "validation": "val.json", "test": "test.json"}
NAMES = ["apple", "bee", "whale"]
LABELS = {"train": [0, 1, 2, 2, 1], "test": [2, 0]}


@pytest.fixture(params=["cifar_fs", "fc100"])
def cifar(request: pytest.FixtureRequest) -> type[PackedImages]:
    return load(request.param)


def load(name: str) -> type[PackedImages]:
    data = load_dataset(name)
    assert issubclass(data, PackedImages)
    return data


def photographs(part: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return noise in the shape of images, another for each part."""
    random = np.random.default_rng(len(part))
    return random.integers(0, 256, (len(LABELS[part]), 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tiny cifar-100-python/, with torchvision's checksums changed to fit."""
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    contents: dict[str, Any] = {"meta": {"fine_label_names": NAMES}}
    for part, labels in LABELS.items():
        rows = photographs(part).transpose(0, 3, 1, 2).reshape(len(labels), -1)
        contents[part] = {"data": rows, "fine_labels": labels}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in contents}  # noqa: S324
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5["meta"]})
    return tmp_path


@pytest.mark.parametrize("below", ["", "cifar-100-python"])
def test_training_and_test_images_are_joined_by_class(
    below: str, cifar: type[PackedImages], tree: Path
) -> None:
    originals = find_originals(cifar, tree / below)
    assert originals.layout.name == "torchvision's cifar-100-python/ tree"
    manifest = add(cifar, originals, partial=True).manifest
    assert {each.name: each.count for each in manifest.classes} == dict.fromkeys(NAMES, 2) | {
        "whale": 3
    }
    data = cifar()
    assert data.input_shape == (3, 32, 32)
    where = cifar.class_splits[0].classes
    for split in SPLITS:
        assert data.load(split).class_names == tuple(n for n in NAMES if where[n] == split)
    found = {image.tobytes() for image in data.pixels.only(["apple"]).images[:2]}
    assert found == {photographs("train")[0].tobytes(), photographs("test")[1].tobytes()}


def test_class_folders_are_the_same_data(
    cifar: type[PackedImages], tree: Path, tmp_path: Path
) -> None:
    for part, labels in LABELS.items():
        for place, (label, pixels) in enumerate(zip(labels, photographs(part), strict=True)):
            file = tmp_path / "folders" / NAMES[label] / f"{part}{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    add(cifar, find_originals(cifar, tree), partial=True)
    again = add(cifar, find_originals(cifar, tmp_path / "folders"), partial=True)
    assert again.outcome == "unchanged"


@pytest.mark.parametrize("file", ["train", "test", "meta"])
@pytest.mark.parametrize("how", ["altered", "absent"])
def test_files_that_torchvision_refuses_are_refused(
    how: str, file: str, cifar: type[PackedImages], tree: Path
) -> None:
    path = tree / "cifar-100-python" / file
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="cifar-100-python lacks a file or has one that is not"):
        find_originals(cifar, tree)


def test_a_pickle_is_not_opened_before_its_checksum_is_compared(
    cifar: type[PackedImages], tree: Path, tmp_path: Path
) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    (tree / "cifar-100-python" / "train").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(DataError):
        find_originals(cifar, tree)
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_it_is_of_another_layout(
    cifar: type[PackedImages], tmp_path: Path
) -> None:
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"another layout; .* from torchvision's cifar-100-python/"):
        find_originals(cifar, tmp_path)


def test_64_classes_of_cifar_fs_are_to_train_on_16_to_validate_20_to_test() -> None:
    [split] = load("cifar_fs").class_splits
    assert Counter(split.classes.values()) == {"train": 64, "validation": 16, "test": 20}


def test_60_classes_of_fc100_are_to_train_on_20_to_validate_20_to_test() -> None:
    [split] = load("fc100").class_splits
    assert Counter(split.classes.values()) == {"train": 60, "validation": 20, "test": 20}
    assert set(split.classes) == set(load("cifar_fs").class_names())


def test_the_splits_are_the_published_ones(real_data: Path) -> None:
    fine: dict[str, set[str]] = {}
    published: dict[Split, list[list[str]]] = {}
    for split, file in FILES.items():
        text = (real_data / "splits" / "cifar100" / "cifar-fs" / file).read_text()
        published[split] = json.loads(text)
        for superclass, name in published[split]:
            fine.setdefault(superclass, set()).add(name)
    cifar_fs, fc100 = (load(name).class_splits[0].classes for name in ("cifar_fs", "fc100"))
    for split, file in FILES.items():
        assert in_split(cifar_fs, split) == {name for _, name in published[split]}
        text = (real_data / "splits" / "cifar100" / "fc100" / file).read_text()
        assert in_split(fc100, split) == set().union(*(fine[each] for each in json.loads(text)))


def in_split(classes: Any, split: Split) -> set[str]:
    return {name for name, where in classes.items() if where == split}


def test_the_archive_is_the_one_that_torchvision_downloads(cifar: type[PackedImages]) -> None:
    [archive] = cifar.downloads
    assert (archive.url, archive.md5) == (CIFAR100.url, CIFAR100.tgz_md5)
