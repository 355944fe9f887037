"""CUB-200-2011: the official classes in every published split, whichever of them are present."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError, MisuseError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.pack import Pack
from mlbench.images.packing import add
from mlbench.registry import load_dataset
from mlbench.run.setup import Request, prepare

Paint = Callable[[Path, int], None]
SIZES = {
    "chen": (100, 50, 50),
    "feat": (100, 50, 50),
    "learn2learn": (140, 30, 30),
    "meta_dataset": (140, 30, 30),
    "released": (140, 30, 30),
}


@pytest.fixture
def cub() -> type[PackedImages]:
    data = load_dataset("cub")
    assert issubclass(data, PackedImages)
    return data


def classes(data: type[PackedImages], name: str = "chen") -> Mapping[str, Split]:
    """Return the split of each class."""
    return next(split.classes for split in data.class_splits if split.name == name)


def of(data: type[PackedImages], name: str, split: Split) -> set[str]:
    """Return the classes of a split."""
    return {each for each, where in classes(data, name).items() if where == split}


def opened(data: type[PackedImages], **options: str) -> PackedImages:
    return data(data.Options.parse(options))


def counts(data: PackedImages) -> list[int]:
    """Return how many packed classes each split has."""
    return [len(data.split(split).class_names) for split in SPLITS]


@pytest.fixture
def birds(cub: type[PackedImages], tmp_path: Path, paint: Paint) -> Path:
    """Return class folders of all species with two images each."""
    for number, name in enumerate(cub.class_names()):
        paint(tmp_path / "birds" / "images" / name / "a.png", number)
        paint(tmp_path / "birds" / "images" / name / "b.png", 300 + number)
    return tmp_path / "birds"


def packed(data: type[PackedImages], root: Path, **options: Any) -> Any:
    recipe = replace(data.recipe(), image_size=48, **options)
    return add(data, find_originals(data, root), recipe=recipe, partial=True)


def test_there_are_100_base_50_validation_and_50_novel_classes(cub: type[PackedImages]) -> None:
    assert Counter(classes(cub).values()) == {"train": 100, "validation": 50, "test": 50}
    assert list(classes(cub)) == sorted(classes(cub)) == cub.class_names()
    assert cub.images == 11_788
    assert cub.class_splits[0].name == "chen"


@pytest.mark.parametrize(("name", "sizes"), SIZES.items())
def test_every_split_uses_every_class_once(
    name: str, sizes: tuple[int, int, int], cub: type[PackedImages]
) -> None:
    assert [len(of(cub, name, split)) for split in SPLITS] == list(sizes)
    assert set(classes(cub, name)) == set(cub.class_names())
    assert len(cub.class_names()) == 200


def test_there_is_an_option_for_every_split_and_no_other(cub: type[PackedImages]) -> None:
    assert [split.name for split in cub.class_splits] == list(SIZES)
    for name in SIZES:
        assert opened(cub, split=name).class_split.name == name
    with pytest.raises(MisuseError, match="split"):
        opened(cub, split="yours")


def test_a_run_chooses_the_split_and_the_released_protocol_has_that_of_140_30_and_30(
    cub: type[PackedImages], birds: Path
) -> None:
    packed(cub, birds)
    request = Request(algorithm="maml", train="cub", ways=5, shots=1, queries=1)
    plain, released = prepare(request), prepare(replace(request, protocol="released"))
    assert plain.spec.options["cub"] == {"split": "chen"}
    assert released.spec.options["cub"] == {"split": "released"}
    assert plain.datasets["cub"].train_classes == 100
    assert released.datasets["cub"].train_classes == 140
    chosen = prepare(replace(request, protocol="released", settings={"cub.split": "feat"}))
    assert chosen.spec.options["cub"] == {"split": "feat"}
    assert chosen.datasets["cub"].train_classes == 100
    fingerprints = {each.spec.fingerprints["cub"] for each in (plain, released, chosen)}
    assert len(fingerprints) == 3


def test_the_released_split_is_pinned(cub: type[PackedImages]) -> None:
    """Nobody knows that of the authors; this one must at least be the same everywhere."""
    first = {split: min(of(cub, "released", split)) for split in SPLITS}
    assert first == {
        "train": "001.Black_footed_Albatross",
        "validation": "003.Sooty_Albatross",
        "test": "005.Crested_Auklet",
    }
    names = sorted(f"{name} {split}" for name, split in classes(cub, "released").items())
    assert sha256("\n".join(names).encode()).hexdigest()[:16] == "dacdd7fab5435938"


def test_one_pack_serves_all_splits_and_each_has_its_own_fingerprint(
    cub: type[PackedImages], birds: Path
) -> None:
    manifest = packed(cub, birds).manifest
    prints = {}
    for name, sizes in SIZES.items():
        data = opened(cub, split=name)
        assert data.pack.manifest == manifest
        assert counts(data) == list(sizes)
        prints[name] = data.fingerprint
    # learn2learn took the split of Meta-Dataset: the same classes are the same experiment.
    assert prints["learn2learn"] == prints["meta_dataset"]
    assert len(set(prints.values())) == len(SIZES) - 1


def test_the_split_goes_by_all_official_classes_not_by_those_present(
    cub: type[PackedImages], tmp_path: Path, paint: Paint
) -> None:
    present = ["003.Sooty_Albatross", "004.Groove_billed_Ani", "006.Least_Auklet"]
    for number, name in enumerate(present):
        paint(tmp_path / "images" / name / "a.png", number)
        paint(tmp_path / "images" / name / "b.png", 10 + number)
    manifest = add(cub, find_originals(cub, tmp_path), partial=True).manifest
    assert {split: cub().split(split).class_names for split in SPLITS} == {
        "train": (present[0],),
        "validation": (present[2],),
        "test": (present[1],),
    }
    assert manifest.missing == "3 of 200 classes, 2 of ~59 images a class"


def official(cub: type[PackedImages], root: Path, paint: Paint, count: int = 4) -> Path:
    """Write the official tree of some species with an image each."""
    names = cub.class_names()[:count]
    for number, name in enumerate(names):
        paint(root / "images" / name / "Bird_0001.jpg", number)
    numbered = list(enumerate(names, 1))
    lines = {
        "images.txt": [f"{number} {name}/Bird_0001.jpg" for number, name in numbered],
        "classes.txt": [f"{number} {name}" for number, name in numbered],
        "image_class_labels.txt": [f"{number} {number}" for number, _ in numbered],
        "bounding_boxes.txt": [f"{number} 1.0 0.0 2.0 3.0" for number, _ in numbered],
    }
    for file, each in lines.items():
        (root / file).write_text("\n".join(each) + "\n")
    return root


def test_the_official_tree_and_class_folders_are_the_same_data(
    cub: type[PackedImages], tmp_path: Path, paint: Paint
) -> None:
    tree = official(cub, tmp_path / "tree", paint)
    for number, name in enumerate(cub.class_names()[:4]):
        paint(tmp_path / "flat" / "images" / name / "00001.jpg", number)
    first = add(cub, find_originals(cub, tree), partial=True)
    second = add(cub, find_originals(cub, tmp_path / "flat"), partial=True)
    assert first.manifest.layout == "the official CUB_200_2011/ tree"
    assert second.outcome == "unchanged"


def test_class_folders_cannot_be_cut_to_bounding_boxes(
    cub: type[PackedImages], tmp_path: Path, paint: Paint
) -> None:
    tree = official(cub, tmp_path / "tree", paint)
    assert packed(cub, tree, crop="bbox").manifest.recipe.crop == "bbox"
    (tree / "bounding_boxes.txt").unlink()
    with pytest.raises(
        DataError, match=r"Bird_0001\.jpg has no bounding box; add it without --cro"
    ):
        packed(cub, tree, crop="bbox")


def test_a_bird_that_is_not_official_is_refused(
    cub: type[PackedImages], tmp_path: Path, paint: Paint
) -> None:
    paint(tmp_path / "images" / "201.Dodo" / "a.png", 0)
    with pytest.raises(DataError, match=r"class 201\.Dodo, which cub .* does not have"):
        find_originals(cub, tmp_path)


def test_folders_may_follow_any_of_the_published_splits(
    cub: type[PackedImages], tmp_path: Path, paint: Paint
) -> None:
    folders = {"train": "train", "validation": "val", "test": "test"}
    mixed: dict[str, set[Split]] = {}
    for name in ("feat", "chen"):
        for number, (species, split) in enumerate(classes(cub, name).items()):
            paint(tmp_path / name / folders[split] / species / "a.png", number)
            mixed.setdefault(species, set()).add(split)
        assert find_originals(cub, tmp_path / name).missing is not None
    (first, *_) = (species for species, where in mixed.items() if where == {"train", "test"})
    here = tmp_path / "chen" / folders[classes(cub)[first]] / first
    there = {"train": "test", "test": "train"}[here.parent.name]
    here.rename(tmp_path / "chen" / there / first)
    with pytest.raises(
        DataError, match=r"which the split of Chen et al\., 2019 has in .* otherwise"
    ):
        find_originals(cub, tmp_path / "chen")


@pytest.mark.slow
def test_the_real_crops_are_44_28_and_28_classes_of_30(
    cub: type[PackedImages], real_data: Path
) -> None:
    originals = find_originals(cub, real_data / "cub" / "bboxcrop227_100x30")
    manifest = add(cub, originals, partial=True).manifest
    sizes = {split: cub().split(split).class_sizes for split in SPLITS}
    assert sizes == {"train": (30,) * 44, "validation": (30,) * 28, "test": (30,) * 28}
    assert {split: tuple(manifest.sizes(split)) for split in SPLITS} == sizes
    assert cub().incomplete == (
        "100 of 200 classes, 30 of ~59 images a class, not the original images (all 227x227)"
    )


def test_the_real_official_tree_is_read_by_its_index(
    cub: type[PackedImages], real_data: Path
) -> None:
    originals = find_originals(cub, real_data / "cub" / "CUB_200_2011_sub10x20")
    assert originals.missing == "10 of 200 classes, 20 of ~59 images a class"
    add(cub, originals, partial=True)
    assert counts(cub()) == [6, 1, 3]


def test_the_real_official_tree_is_cut_to_its_bounding_boxes(
    cub: type[PackedImages], real_data: Path
) -> None:
    root = real_data / "cub" / "CUB_200_2011_sub10x20"
    originals = find_originals(cub, root)
    recipe = replace(cub.recipe(), crop="bbox")
    manifest = add(cub, originals, recipe=recipe, partial=True).manifest
    boxes = index_of(root / "bounding_boxes.txt")
    files = index_of(root / "images.txt")
    pixels = Pack.open("cub").pixels()
    for each in manifest.classes[::4]:  # some of them, for decoding takes a while
        expected = set()
        for number in (n for n, file in files.items() if file.startswith(f"{each.name}/")):
            with Image.open(root / "images" / files[number]) as image:
                left, top, width, height = map(float, boxes[number].split())
                right, bottom = min(left + width, image.width), min(top + height, image.height)
                cut = image.convert("RGB").crop((int(left), int(top), int(right), int(bottom)))
            small = cut.resize((84, 84), Image.Resampling.BICUBIC)
            expected.add(np.asarray(small).tobytes())
        start = manifest.starts[each.name]
        found = {image.tobytes() for image in pixels[start : start + each.count]}
        assert len(found) == 20
        assert found == expected


def index_of(path: Path) -> dict[str, str]:
    """Return what an official index says of each image, by its number."""
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def published(path: Path, names: Mapping[Split, str]) -> dict[Split, set[str]]:
    found = json.loads(path.read_text())
    return {split: set(found[name]) for split, name in names.items()}


@pytest.mark.parametrize(
    ("name", "file", "names"),
    [
        ("chen", "chen_base_val_novel.json", ("base", "val", "novel")),
        ("learn2learn", "learn2learn_140_30_30.json", ("train", "validation", "test")),
        ("meta_dataset", "meta_dataset_cu_birds.json", ("train", "valid", "test")),
    ],
)
def test_the_split_is_the_published_one(
    name: str, file: str, names: tuple[str, str, str], cub: type[PackedImages], real_data: Path
) -> None:
    theirs = published(real_data / "cub" / "splits" / file, dict(zip(SPLITS, names, strict=True)))
    assert {split: of(cub, name, split) for split in SPLITS} == theirs


def test_the_split_of_feat_is_the_published_one(cub: type[PackedImages], real_data: Path) -> None:
    files = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
    for split in SPLITS:
        with (real_data / "cub" / "splits" / "feat" / files[split]).open(newline="") as file:
            theirs = {row[1] for row in list(csv.reader(file))[1:]}
        assert of(cub, "feat", split) == theirs
