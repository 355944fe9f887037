"""miniImageNet in every form that people have: the same images are the same data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.layouts import tables
from mlbench.images.originals import find_originals
from mlbench.images.pack import Pack
from mlbench.images.packing import Added, add
from mlbench.registry import load_dataset
from tests.datasets import mini_forms
from tests.datasets.mini_forms import FORMS, Images, by_rank, save

LAYOUTS = {
    "images and CSV files": "images/ with train.csv, val.csv and test.csv",
    "other trees and CSV files": "images/ with train.csv, val.csv and test.csv",
    "class trees": "train/, val/ and test/ with a folder per class",
    "ILSVRC2012 by rank": "an ILSVRC2012 tree with train.csv, val.csv and test.csv",
    "ILSVRC2012 by name": "an ILSVRC2012 tree with train.csv, val.csv and test.csv",
    "cache": "mini-imagenet-cache-*.pkl",
    "cache of learn2learn": "mini-imagenet-cache-*.pkl",
    "category split": "miniImageNet_category_split_*.pickle",
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take six images for a whole class of ImageNet."""
    monkeypatch.setattr(tables, "FEWEST", len(mini_forms.NUMBERS))


@pytest.fixture
def mini() -> type[PackedImages]:
    data = load_dataset("mini")
    assert issubclass(data, PackedImages)
    return data


@pytest.fixture
def splits(mini: type[PackedImages]) -> Mapping[str, Split]:
    """Return the split of each class."""
    return mini.class_splits[0].classes


def some_classes(splits: Mapping[str, Split]) -> list[str]:
    """Return some classes of each split, in no particular order."""
    by_split = [[name for name in splits if splits[name] == each] for each in set(splits.values())]
    return [name for names in by_split for name in names[1:3]]


@pytest.fixture
def drawn(splits: Mapping[str, Split]) -> Images:
    """Return generated images of some classes, three each."""
    rng = np.random.default_rng(0)
    noise = (
        rng.integers(0, 256, (18, 12, 12, 3), dtype=np.uint8).repeat(7, axis=1).repeat(7, axis=2)
    )
    names = some_classes(splits)
    return {name: list(noise[3 * place : 3 * place + 3]) for place, name in enumerate(names)}


@pytest.fixture
def real(splits: Mapping[str, Split], real_data: Path) -> Images:
    """Return real images of some classes, two each."""
    root = real_data / "miniimagenet" / "subset60" / "images"
    return {
        name: [np.asarray(Image.open(path)) for path in sorted(root.glob(f"{name}*.jpg"))[:2]]
        for name in some_classes(splits)
    }


def packed(data: type[PackedImages], roots: list[Path]) -> Added:
    return add(data, find_originals(data, *roots), partial=True)


def contents() -> dict[str, set[bytes]]:
    """Return the packed images of each class."""
    pack = Pack.open("mini")
    pixels: NDArray[np.uint8] = pack.pixels()
    return {
        each.name: {
            image.tobytes() for image in pixels[pack.manifest.starts[each.name] :][: each.count]
        }
        for each in pack.manifest.classes
    }


@pytest.mark.parametrize("images", ["drawn", "real"])
def test_all_forms_of_the_same_images_have_the_same_fingerprints(
    images: str,
    mini: type[PackedImages],
    splits: Mapping[str, Split],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some: Images = request.getfixturevalue(images)
    packs, drawn = {}, {}
    for name, form in FORMS.items():
        monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / name / "home"))
        added = packed(mini, form(tmp_path / name / "data", some, splits))
        assert added.manifest.layout == LAYOUTS[name]
        assert contents() == {
            label: {image.tobytes() for image in each} for label, each in some.items()
        }
        packs[name] = added.manifest.fingerprint
        drawn[name] = mini().fingerprint
    assert len(set(packs.values())) == 1
    assert len(set(drawn.values())) == 1


def test_the_alphabetical_order_of_imagenet_is_another_data_set(
    mini: type[PackedImages],
    splits: Mapping[str, Split],
    drawn: Images,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were names sorted as texts, ranks would stand for other images: the test above would fail."""
    assert sorted(map(str, mini_forms.NUMBERS)) != list(map(str, sorted(mini_forms.NUMBERS)))
    first = packed(mini, by_rank(tmp_path / "first", drawn, splits))
    numeric = tables.originals_of
    monkeypatch.setattr(
        tables, "originals_of", lambda folder: sorted(numeric(folder), key=lambda path: path.name)
    )
    second = add(
        mini,
        find_originals(mini, *by_rank(tmp_path / "second", drawn, splits)),
        partial=True,
        replace=True,
    )
    assert second.manifest.fingerprint != first.manifest.fingerprint


def test_an_incomplete_tree_of_imagenet_is_refused(
    mini: type[PackedImages], splits: Mapping[str, Split], drawn: Images, tmp_path: Path
) -> None:
    roots = by_rank(tmp_path, drawn, splits)
    name = next(iter(drawn))
    (roots[0] / name / f"{name}_{mini_forms.NUMBERS[-1]}.JPEG").unlink()
    with pytest.raises(DataError, match=rf"{name} has 5 images, and a class .* has 6 or more"):
        find_originals(mini, *roots)


def test_imagenet_with_more_classes_than_are_asked_for_is_no_trouble(
    mini: type[PackedImages], splits: Mapping[str, Split], drawn: Images, tmp_path: Path
) -> None:
    roots = by_rank(tmp_path, drawn, splits)
    save(roots[0] / "n01440764" / "n01440764_1.JPEG", np.zeros((84, 84, 3), np.uint8))
    assert set(contents_of(packed(mini, roots))) == set(drawn)


def contents_of(added: Added) -> list[str]:
    return [each.name for each in added.manifest.classes]


def test_a_form_of_which_all_is_there_needs_no_leave(
    mini: type[PackedImages],
    splits: Mapping[str, Split],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mini, "images", 100)
    monkeypatch.setattr(mini, "images_per_class", 1)
    images = {
        name: [np.full((84, 84, 3), place, dtype=np.uint8)] for place, name in enumerate(splits)
    }
    originals = find_originals(mini, *mini_forms.cache(tmp_path, images, splits))
    assert originals.missing is None
    assert add(mini, originals).manifest.missing is None
