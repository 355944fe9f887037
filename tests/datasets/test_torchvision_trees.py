"""Data sets that are read as torchvision reads them: names, classes and counts of tiny trees."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets import DTD, MNIST, Flowers102, Omniglot

from mlbench.errors import DataError
from mlbench.images.layouts.torchvision_trees import root_of
from mlbench.images.originals import find_originals
from mlbench.images.packing import add

from .trees import TREES, Paint, build_aircraft, build_dtd, build_flowers, found, load, write_lines


@pytest.fixture
def flowers_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that makes torchvision expect the files of a tree of flowers."""

    def fit(root: Path) -> None:
        expected = {}
        for key, (file, md5) in Flowers102._file_dict.items():
            path = root / "flowers-102" / file
            content = path.read_bytes() if path.is_file() else None
            expected[key] = file, md5 if content is None else hashlib.md5(content).hexdigest()  # noqa: S324
        monkeypatch.setattr(Flowers102, "_file_dict", expected)

    return fit


@pytest.fixture(params=TREES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tree(name: str, tmp_path: Path, paint: Paint, flowers_fit: Callable[[Path], None]) -> Path:
    """Return a tiny tree of a data set."""
    TREES[name][0](tmp_path, paint)
    if name == "flowers":
        flowers_fit(tmp_path)
    return tmp_path


def test_all_parts_are_joined_and_classes_have_published_names(name: str, tree: Path) -> None:
    _, folders, expected = TREES[name]
    for folder in folders:
        assert found(name, tree / folder) == expected
        layout = find_originals(load(name), tree / folder).layout.name
        assert layout.startswith("torchvision's ")


def test_what_is_packed_is_incomplete_and_split_as_published(name: str, tree: Path) -> None:
    data = load(name)
    expected = TREES[name][2]
    with pytest.raises(DataError, match=f"of {len(data.class_names())} classes.*--partial"):
        add(data, find_originals(data, tree))
    manifest = add(data, find_originals(data, tree), partial=True).manifest
    assert {each.name: each.count for each in manifest.classes} == {
        name: len(files) for name, files in expected.items()
    }
    where = data.class_splits[0].classes
    opened = data()
    for split, members in opened.members.items():
        assert members == [name for name in sorted(expected) if where[name] == split]
    assert opened.input_shape == (3, 84, 84)


def test_another_folder_is_of_another_layout(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"is of another layout; .* from torchvision's"):
        find_originals(load(name), tmp_path)


BROKEN = {
    "flowers": "flowers-102/setid.mat",
    "aircraft": "fgvc-aircraft-2013b/data/images_variant_test.txt",
    "dtd": "dtd/dtd/labels/val1.txt",
}


@pytest.mark.parametrize("name", BROKEN, indirect=True)
@pytest.mark.parametrize("how", ["altered", "absent"])
def test_a_tree_that_torchvision_cannot_read_is_refused(how: str, name: str, tree: Path) -> None:
    file = tree / BROKEN[name]
    if how == "absent":
        file.unlink()
    else:
        file.write_bytes(b"what is this?\n")
    with pytest.raises(DataError, match="lacks a file or has one that is not the original"):
        find_originals(load(name), tree)


def test_class_folders_of_textures_and_land_are_the_same_data(tmp_path: Path, paint: Paint) -> None:
    for name, folder in (("dtd", "dtd/dtd"), ("eurosat", "eurosat/2750")):
        TREES[name][0](tmp_path, paint)
        data = load(name)
        add(data, find_originals(data, tmp_path), partial=True)
        (tmp_path / folder).rename(tmp_path / f"{name}-renamed")
        other = find_originals(data, tmp_path / f"{name}-renamed")
        assert other.layout.name == "a folder per class"
        assert add(data, other, partial=True).outcome == "unchanged"


def test_an_image_that_is_listed_and_absent_is_told(tmp_path: Path, paint: Paint) -> None:
    build_dtd(tmp_path, paint)
    missing = tmp_path / "dtd" / "dtd" / "images" / "grid" / "grid_1.jpg"
    missing.unlink()
    assert find_originals(load("dtd"), tmp_path).listing.absent == [missing.resolve()]


def test_an_aircraft_has_the_bounding_box_of_its_corners(tmp_path: Path, paint: Paint) -> None:
    build_aircraft(tmp_path, paint)
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    # The box is from the second to the third column and row, counted from 1, both included.
    write_lines(data / "images_box.txt", "0002 2 2 3 3")
    picture = find_originals(load("aircraft"), tmp_path).listing.images["Spitfire"][0]
    assert picture.box == (1, 1, 2, 2)


def test_flowers_under_other_checksums_are_refused(tmp_path: Path, paint: Paint) -> None:
    build_flowers(tmp_path, paint)
    with pytest.raises(DataError, match="Dataset not found or corrupted"):
        find_originals(load("flowers"), tmp_path)


SIZES = {
    "flowers": {"train": 71, "validation": 15, "test": 16},
    "aircraft": {"train": 70, "validation": 15, "test": 15},
    "dtd": {"train": 33, "validation": 7, "test": 7},
    "eurosat": {"test": 10},
    "gtsrb": {"test": 43},
}


def test_the_splits_have_the_published_sizes(name: str) -> None:
    [split] = load(name).class_splits
    assert Counter(split.classes.values()) == SIZES[name]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("flowers", "vgg_flower_splits.json"),
        ("aircraft", "aircraft_splits.json"),
        ("dtd", "dtd_splits.json"),
        ("gtsrb", "traffic_sign_splits.json"),
    ],
)
def test_the_splits_are_those_of_meta_dataset(name: str, file: str, real_data: Path) -> None:
    published = json.loads((real_data / "splits" / "meta_dataset" / file).read_text())
    [split] = load(name).class_splits
    for ours, theirs in (("train", "train"), ("validation", "valid"), ("test", "test")):
        assert {n for n, where in split.classes.items() if where == ours} == set(published[theirs])


def test_flowers_have_the_numbers_that_torchvision_gives_them() -> None:
    names = load("flowers").class_names()
    assert names == [f"{place:03}.{each}" for place, each in enumerate(Flowers102.classes, 1)]


def test_downloads_are_those_of_torchvision() -> None:
    published: dict[str, set[Any]] = {
        "flowers": set(Flowers102._file_dict.values()),
        "dtd": {(DTD._URL.rpartition("/")[2], DTD._MD5)},
        "mnist": set(MNIST.resources),
        "omniglot": {(f"{name}.zip", md5) for name, md5 in Omniglot.zips_md5.items()},
    }
    for name, expected in published.items():
        assert {(file.file, file.md5) for file in load(name).downloads} == expected


@pytest.mark.parametrize("depth", range(4))
def test_root_is_found_from_every_folder_on_the_way(depth: int, tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    assert root_of(tmp_path.joinpath(*"abc"[:depth]), "a/b/c") == tmp_path


def test_there_is_no_root_above_a_folder_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    assert root_of(tmp_path / "c", "a/b") is None
    assert root_of(tmp_path / "a", "b/a") is None
    assert root_of(Path("/"), "no-such-folder") is None
