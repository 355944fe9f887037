"""Pickles of miniImageNet that other projects hand out: classes, splits and pixels."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbench.errors import DataError
from mlbench.images.layouts import CACHE_PICKLES, CATEGORY_PICKLES, Layout, Listing
from mlbench.images.pictures import ArrayImage
from tests.images import python2

Write = Callable[[Path, Any], None]
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
CACHE = {"image_data": IMAGES, "class_dict": {"ant": [0, 2, 4], "bee": [1, 3, 5]}}
CATEGORIES = {
    "data": IMAGES,
    "labels": [7, 3, 7, 3, 7, 3],
    "catname2label": {"ant": 7, "bee": 3},
}
LABELS_IN_AN_ARRAY = {**CATEGORIES, "labels": np.array(CATEGORIES["labels"])}
ROWS_IN_AN_ARRAY = {**CACHE, "class_dict": {"ant": np.array([0, 2, 4]), "bee": (1, 3, 5)}}
KINDS: dict[str, tuple[Layout, str, Any]] = {
    "cache": (CACHE_PICKLES, "mini-imagenet-cache-train.pkl", CACHE),
    "rows in an array": (CACHE_PICKLES, "mini-imagenet-cache-train.pkl", ROWS_IN_AN_ARRAY),
    "categories": (
        CATEGORY_PICKLES,
        "miniImageNet_category_split_train_phase_train.pickle",
        CATEGORIES,
    ),
    "labels in an array": (
        CATEGORY_PICKLES,
        "miniImageNet_category_split_train_phase_train.pickle",
        LABELS_IN_AN_ARRAY,
    ),
}
TWO_KINDS = [KINDS["cache"], KINDS["categories"]]


def pixels(listing: Listing | None) -> dict[str, list[bytes]]:
    """Return the decoded images of each class."""
    assert listing is not None
    return {
        name: [picture.decode().tobytes() for picture in pictures]
        for name, pictures in listing.images.items()
    }


@pytest.mark.parametrize(("layout", "name", "content"), KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_each_class_has_its_rows(
    layout: Layout, name: str, content: Any, protocol: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(content, protocol))
    listing = layout.read([tmp_path])
    assert pixels(listing) == {
        "ant": [image.tobytes() for image in IMAGES[::2]],
        "bee": [image.tobytes() for image in IMAGES[1::2]],
    }
    assert listing is not None
    assert listing.splits == {"ant": "train", "bee": "train"}
    first = listing.images["ant"][1]
    assert isinstance(first, ArrayImage)
    assert str(first) == f"{tmp_path / name}[2]"
    assert first.size() == (8, 8)


@pytest.mark.parametrize(("layout", "name", "content"), TWO_KINDS)
def test_what_python_2_wrote_is_read_the_same(
    layout: Layout, name: str, content: Any, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(python2.dumps(content))
    assert pixels(layout.read([tmp_path])) == {
        "ant": [image.tobytes() for image in IMAGES[::2]],
        "bee": [image.tobytes() for image in IMAGES[1::2]],
    }


@pytest.mark.parametrize("word", ["val", "validation"])
def test_validation_has_two_names(word: str, tmp_path: Path) -> None:
    path = tmp_path / f"mini-imagenet-cache-{word}.pkl"
    path.write_bytes(pickle.dumps(CACHE))
    listing = CACHE_PICKLES.read([tmp_path])
    assert listing is not None
    assert listing.splits == {"ant": "validation", "bee": "validation"}


@pytest.mark.parametrize("as_files", [True, False])
def test_files_may_be_given_in_place_of_their_folder(as_files: bool, tmp_path: Path) -> None:
    for word, name in (("train", "ant"), ("val", "bee"), ("test", "cat")):
        content = {"image_data": IMAGES, "class_dict": {name: [0, 1]}}
        (tmp_path / f"mini-imagenet-cache-{word}.pkl").write_bytes(pickle.dumps(content))
    listing = CACHE_PICKLES.read(sorted(tmp_path.iterdir()) if as_files else [tmp_path])
    assert listing is not None
    assert listing.splits == {"ant": "train", "bee": "validation", "cat": "test"}
    assert listing.count == 6


@pytest.mark.parametrize("word", ["train_phase_val", "train_phase_test"])
def test_more_images_of_training_classes_are_left_out(word: str, tmp_path: Path) -> None:
    path = tmp_path / f"miniImageNet_category_split_{word}.pickle"
    path.write_bytes(b"cos\nsystem\n.")  # it is not even looked at
    assert CATEGORY_PICKLES.read([tmp_path]) is None
    (tmp_path / KINDS["categories"][1]).write_bytes(pickle.dumps(CATEGORIES))
    listing = CATEGORY_PICKLES.read([tmp_path])
    assert listing is not None
    assert listing.count == 6


def test_pickles_of_other_names_are_of_another_layout(tmp_path: Path) -> None:
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(CACHE))
    assert CACHE_PICKLES.read([tmp_path]) is None
    assert CACHE_PICKLES.read([tmp_path / "data.pkl"]) is None


def test_a_class_in_two_pickles_is_refused(tmp_path: Path) -> None:
    for word in ("train", "test"):
        (tmp_path / f"mini-imagenet-cache-{word}.pkl").write_bytes(pickle.dumps(CACHE))
    with pytest.raises(DataError, match=r"class ant of .*cache-test\.pkl is in train already"):
        CACHE_PICKLES.read([tmp_path])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_data": None}, "holds no images and classes as a mini-imagenet-cache-train.pkl"),
        ({"image_data": [1, 2]}, "holds no images and classes"),
        ({"image_data": IMAGES[..., 0]}, r"an array of shape \(6, 8, 8\), not images in colour"),
        ({"image_data": np.float32(3)}, r"an array of shape \(\), not images"),
        ({"class_dict": None}, "holds no images and classes"),
        ({"class_dict": {"ant": 3}}, "rows are to be whole numbers"),
        ({"class_dict": {"ant": ["first"]}}, "rows are to be whole numbers"),
        ({"class_dict": {"ant": [[0, 1]]}}, "rows are to be whole numbers"),
        ({"class_dict": {"ant": np.zeros((2, 2), int)}}, "rows are to be whole numbers"),
        ({"class_dict": {"ant": [0.5]}}, "rows are to be whole numbers"),
    ],
)
def test_a_cache_of_another_form_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mini-imagenet-cache-train.pkl"
    path.write_bytes(pickle.dumps({**CACHE, **change}))
    with pytest.raises(DataError, match=message) as caught:
        CACHE_PICKLES.read([tmp_path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": None},
        {"labels": [[7, 3]] * 3},
        {"labels": ["ant"] * 6},
        {"labels": [7, 3, 4, 7, 3, 4]},
        {"labels": [10**30] * 6},
        {"catname2label": None},
        {"catname2label": {"ant": "seven"}},
        {"catname2label": {"ant": float("inf")}},
        {"catname2label": {"ant": (7,)}},
    ],
)
def test_categories_of_another_form_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / KINDS["categories"][1]
    path.write_bytes(pickle.dumps({**CATEGORIES, **change}))
    with pytest.raises(DataError, match="holds no images and classes as a miniImageNet_category"):
        CATEGORY_PICKLES.read([tmp_path])


@pytest.mark.parametrize("value", [None, 3, "image_data", [], {}])
@pytest.mark.parametrize(("layout", "name", "_"), TWO_KINDS)
def test_a_pickle_of_something_else_is_refused(
    value: object, layout: Layout, name: str, _: Any, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match="restore it from the original"):
        layout.read([tmp_path])


@pytest.mark.parametrize("row", [-1, 6, 10**20])
def test_a_row_that_is_not_there_is_a_damaged_image(row: int, tmp_path: Path) -> None:
    path = tmp_path / "mini-imagenet-cache-train.pkl"
    path.write_bytes(pickle.dumps({**CACHE, "class_dict": {"ant": [row]}}))
    listing = CACHE_PICKLES.read([tmp_path])
    assert listing is not None
    with pytest.raises(DataError, match=rf"train\.pkl\[{row}\] cannot be decoded \(.*has 6 rows"):
        listing.images["ant"][0].decode()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype(np.float32) / 255, "an array of float32, not of 8 bits a channel"),
        (IMAGES.astype(np.uint16), "an array of uint16, not of 8 bits a channel"),
        (IMAGES[..., :2].repeat(4, axis=-1)[..., :5], "cannot be decoded"),
    ],
)
def test_pixels_of_another_kind_are_refused(images: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mini-imagenet-cache-train.pkl"
    path.write_bytes(pickle.dumps({**CACHE, "image_data": images}))
    listing = CACHE_PICKLES.read([tmp_path])
    assert listing is not None
    with pytest.raises(DataError, match=message):
        listing.images["ant"][0].decode()


def test_a_pickle_that_is_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mini-imagenet-cache-train.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"asks for os\.system"):
        CACHE_PICKLES.read([tmp_path])


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.sampled_from(TWO_KINDS),
    protocol=st.sampled_from([2, 3, 4, 5, None]),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
)
def test_whatever_bytes_are_flipped_images_or_a_refusal_come_out(
    which: tuple[Layout, str, Any],
    protocol: int | None,
    flips: list[tuple[int, int]],
    tmp_path: Path,
) -> None:
    layout, name, value = which
    content = bytearray(python2.dumps(value) if protocol is None else pickle.dumps(value, protocol))
    for place, byte in flips:
        content[place % len(content)] = byte
    (tmp_path / name).write_bytes(content)
    try:
        pixels(layout.read([tmp_path]) or Listing())
    except DataError as err:
        message = str(err)
    else:
        message = "fine"
    assert "\n" not in message
