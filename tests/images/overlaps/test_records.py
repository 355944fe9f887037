"""Records of what data sets share: found again in either order, and for this very content only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlbench.episodes import Split
from mlbench.errors import DataError
from mlbench.images.home import packed_names
from mlbench.images.overlaps import records
from mlbench.images.overlaps.pairs import PAIR
from mlbench.images.overlaps.records import FOLDER, keep, recall
from mlbench.images.overlaps.report import Shared, of_split, rows_of, shared, summary
from mlbench.images.pack import Manifest, PackedClass, PackedRule
from mlbench.images.recipe import Recipe

PAIRS = np.array([(1, 5, 0, True), (2, 0, 7, False), (2, 1, 3, False)], dtype=PAIR)


def manifest(name: str, classes: Mapping[str, tuple[int, Split | None]]) -> Manifest:
    """Return what is known of a pack whose classes have a number of images and a split."""
    return Manifest(
        name=name,
        roots=("nowhere",),
        layout="none",
        recipe=Recipe(),
        missing=None,
        damaged=(),
        pillow="0",
        classes=tuple(
            PackedClass(name=each, count=count, sha256=f"{name}{each}")
            for each, (count, _) in classes.items()
        ),
        marks_sha256="",
        options=(),
        files={},
        licence="none",
        split=PackedRule(
            rule="made",
            splits={each: split for each, (_, split) in classes.items() if split is not None},
        ),
        own=False,
    )


@pytest.fixture
def cats() -> Manifest:
    return manifest("cats", {"lion": (2, "train"), "lynx": (1, "validation"), "puma": (1, "test")})


@pytest.fixture
def dogs() -> Manifest:
    return manifest("dogs", {"beagle": (4, "train"), "poodle": (2, "test"), "stray": (2, None)})


def test_a_record_is_found_again_in_either_order(cats: Manifest, dogs: Manifest) -> None:
    keep(cats, dogs, PAIRS)
    for first, second, fields in ((cats, dogs, ["a", "b"]), (dogs, cats, ["b", "a"])):
        pairs = recall(first, second)
        assert pairs is not None
        assert pairs[["distance", "exact"]].tolist() == PAIRS[["distance", "exact"]].tolist()
        assert [pairs[each].tolist() for each in fields] == [[1, 2, 2], [5, 0, 1]]


def test_finding_nothing_is_a_record_too(cats: Manifest, dogs: Manifest) -> None:
    assert recall(dogs, cats) is None
    keep(dogs, cats, PAIRS[:0])
    pairs = recall(dogs, cats)
    assert pairs is not None
    assert pairs.dtype == PAIR
    assert len(pairs) == 0


def test_one_data_set_alone_has_a_record_of_its_own(cats: Manifest) -> None:
    twin = replace(cats, name="twin")  # the same content under another name
    keep(cats, twin, np.array([(0, 1, 0, True)], dtype=PAIR))
    assert recall(cats, None) is None
    keep(cats, None, PAIRS[:0])
    assert recall(cats, None) is not None
    pairs = recall(cats, twin)
    assert pairs is not None
    assert len(pairs) == 1


def test_data_that_were_packed_again_were_not_compared(cats: Manifest, dogs: Manifest) -> None:
    keep(cats, dogs, PAIRS)
    changed = replace(dogs.classes[0], sha256="another")
    assert recall(cats, replace(dogs, classes=(changed, *dogs.classes[1:]))) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "pairs": 5}',
        '{"format": 1, "pairs": [5]}',
        '{"format": 1, "pairs": [[1, 2]]}',
        '{"format": 1, "pairs": [[1, "x", 3, true]]}',
        '{"format": 1, "pairs": [[1, 99, 3, true]]}',
        '{"format": 1, "pairs": [[-1, 1, 3, true]]}',
        '{"format": 1, "pairs": [[1, 1e99, 3, true]]}',
        '{"format": 99, "pairs": []}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_record_counts_as_none(
    content: str | bytes, cats: Manifest, dogs: Manifest, home: Path
) -> None:
    keep(cats, dogs, PAIRS)
    (path,) = (home / FOLDER).iterdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert recall(cats, dogs) is None
    assert recall(dogs, cats) is None


def test_records_are_taken_for_no_data_set(cats: Manifest, dogs: Manifest, home: Path) -> None:
    keep(cats, dogs, PAIRS)
    assert packed_names() == []
    assert [path.suffix for path in (home / FOLDER).iterdir()] == [".json"]


def test_a_record_names_what_it_is_of(cats: Manifest, dogs: Manifest, home: Path) -> None:
    keep(cats, dogs, PAIRS)
    (path,) = (home / FOLDER).iterdir()
    content = json.loads(path.read_text())
    order = ["a", "b"] if content["names"] == ["cats", "dogs"] else ["b", "a"]
    assert sorted(content["names"]) == ["cats", "dogs"]
    assert content["pairs"][0] == [*PAIRS[0][order].tolist(), 0, True]


def test_a_home_that_cannot_be_written_is_named_and_nothing_is_left(
    cats: Manifest, dogs: Manifest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / FOLDER).touch()
    with pytest.raises(DataError, match=r"\.overlaps/.* cannot be written \(.*; make the data"):
        keep(cats, dogs, PAIRS)
    monkeypatch.setattr(records, "FOLDER", "elsewhere")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        keep(cats, dogs, PAIRS)
    assert list((home / "elsewhere").iterdir()) == []


def test_images_are_counted_once_and_as_exact_if_one_partner_is(
    cats: Manifest, dogs: Manifest
) -> None:
    pairs = np.array(
        [(0, 4, 3, False), (1, 4, 0, True), (0, 5, 2, False), (1, 5, 2, False), (3, 0, 0, True)],
        dtype=PAIR,
    )
    trained, tested = of_split(cats, "train"), of_split(dogs, "test")
    assert shared(pairs, trained, tested) == Shared(exact=1, near=1)
    assert shared(pairs, trained, of_split(dogs, "train")) == Shared(exact=0, near=0)


def test_the_summary_counts_images_of_the_later_split(cats: Manifest, dogs: Manifest) -> None:
    pairs = np.array(
        [(0, 4, 0, True), (1, 4, 3, False), (0, 5, 2, False), (3, 0, 0, True), (2, 1, 4, False)],
        dtype=PAIR,
    )
    assert summary(pairs, cats, dogs) == [
        "1 image of cats's validation split is also in dogs's train split (1 near)",
        "2 images of dogs's test split are also in cats's train split (1 exact, 1 near): training"
        " on cats shows them before dogs is tested on",
        "1 image of cats's test split is also in dogs's train split (1 exact): training on dogs"
        " shows them before cats is tested on",
    ]


def test_the_summary_of_one_data_set_tells_leaks_from_doubles(dogs: Manifest) -> None:
    pairs = np.array([(0, 2, 0, True), (1, 4, 3, False), (4, 5, 2, False)], dtype=PAIR)
    assert summary(pairs, dogs, None) == [
        "2 images of dogs's train split are there again (2 exact)",
        "1 image of dogs's test split is also in dogs's train split (1 near): training on dogs"
        " shows them before dogs is tested on",
        "2 images of dogs's test split are there again (2 near)",
    ]


def test_the_summary_of_nothing_says_what_was_compared(cats: Manifest, dogs: Manifest) -> None:
    nothing = PAIRS[:0]
    assert summary(nothing, cats, dogs) == ["none of the 4 images of cats is among the 8 of dogs"]
    assert summary(nothing, cats, None) == ["no two of the 4 images of cats are one"]
    unused = np.array([(0, 6, 0, True)], dtype=PAIR)
    assert summary(unused, cats, dogs) == ["all of them are of classes that no split uses"]


def test_rows_name_classes_and_splits_the_surest_first(cats: Manifest, dogs: Manifest) -> None:
    pairs = np.array([(0, 6, 2, False), (2, 3, 1, False), (3, 4, 4, True)], dtype=PAIR)
    rows = [tuple(row.values()) for row in rows_of(pairs, cats, dogs)]
    assert rows == [
        ("exact", 4, "puma", "test", 3, "poodle", "test", 4),
        ("near", 1, "lynx", "validation", 2, "beagle", "train", 3),
        ("near", 2, "lion", "train", 0, "stray", None, 6),
    ]
