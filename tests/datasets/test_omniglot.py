"""Omniglot: characters by their numbers, from arrays or files, split by number, turned or not."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlbench.contract import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from mlbench.registry import load_dataset

SETS = {"images_background": range(1, 965), "images_evaluation": range(965, 1624)}
FILES: dict[Split, str] = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}


@pytest.fixture
def omniglot() -> type[PackedImages]:
    data = load_dataset("omniglot")
    assert issubclass(data, PackedImages)
    return data


def pages(count: int, drawings: int = 1) -> NDArray[np.bool_]:
    """Return noise in the form of an Omniglot array."""
    return np.random.default_rng(count).random((count, drawings, 5, 5)) < 0.8


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """Return a folder of both arrays, with one tiny drawing of each character."""
    root = tmp_path / "arrays"
    root.mkdir()
    for name, numbers in SETS.items():
        np.savez(root / f"{name}.npz", images=pages(len(numbers)))
    return root


def draw(root: Path, number: int, drawing: int, page: NDArray[np.bool_]) -> None:
    """Write a drawing as the official archives have it: a PNG of one bit a pixel."""
    folder = "images_background" if number in SETS["images_background"] else "images_evaluation"
    file = (
        root / folder / "Futurama" / f"character{number % 90:02}" / f"{number:04}_{drawing:02}.png"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(file)


def test_vinyals_trains_on_1028_validates_on_172_and_tests_on_423(
    omniglot: type[PackedImages],
) -> None:
    vinyals, background = (split.classes for split in omniglot.class_splits)
    assert Counter(vinyals.values()) == {"train": 1028, "validation": 172, "test": 423}
    assert Counter(background.values()) == {"train": 792, "validation": 172, "test": 659}
    assert {name for name, split in background.items() if split == "test"} == {
        f"{number:04}" for number in SETS["images_evaluation"]
    }
    assert len(omniglot.class_names()) * 20 == omniglot.images


def test_turned_characters_are_classes_unless_rotations_is_off(
    omniglot: type[PackedImages], arrays: Path
) -> None:
    add(omniglot, find_originals(omniglot, arrays), partial=True)
    fingerprints = set()
    for split, counts in (("vinyals", (1028, 172, 423)), ("background", (792, 172, 659))):
        for rotations, times in (("true", 4), ("false", 1)):
            data = omniglot(omniglot.Options.parse({"split": split, "rotations": rotations}))
            found = [len(data.load(each).class_names) for each in SPLITS]
            assert found == [count * times for count in counts]
            fingerprints.add(data.fingerprint)
    assert len(fingerprints) == 4
    assert omniglot().fingerprint in fingerprints
    turned = omniglot().split("test")
    assert turned.class_names[:4] == ("1201", "1201:90", "1201:180", "1201:270")
    upright, quarter, half, _ = turned.gather(turned.starts[:4]).numpy()
    np.testing.assert_array_equal(quarter, np.rot90(upright, axes=(1, 2)))
    np.testing.assert_array_equal(half, upright[:, ::-1, ::-1])


def test_a_tree_and_the_arrays_give_a_character_the_same_name_and_drawing(
    omniglot: type[PackedImages], arrays: Path, tmp_path: Path
) -> None:
    for numbers in SETS.values():
        for number, page in zip(numbers, pages(len(numbers))[:, 0], strict=True):
            draw(tmp_path / "omniglot-py", number, 1, page)
    as_arrays = find_originals(omniglot, arrays)
    for root in (tmp_path, tmp_path / "omniglot-py"):
        as_files = find_originals(omniglot, root)
        assert as_files.layout.name == "torchvision's omniglot-py/ tree"
        assert set(as_files.listing.images) == set(omniglot.class_names())
        for name, [picture] in as_files.listing.images.items():
            [other] = as_arrays.listing.images[name]
            assert picture.decode().tobytes() == other.decode().tobytes()


def test_a_drawing_of_a_small_set_that_the_large_one_has_too_counts_once(
    omniglot: type[PackedImages], tmp_path: Path
) -> None:
    for drawing in (1, 2):
        draw(tmp_path, 108, drawing, pages(1)[0, 0])
    (tmp_path / "images_background").rename(tmp_path / "images_background_small1")
    draw(tmp_path, 108, 1, pages(1)[0, 0])
    originals = find_originals(omniglot, tmp_path)
    files = [str(picture) for picture in originals.listing.images["0108"]]
    folders = [Path(file).relative_to(tmp_path.resolve()).parts[0] for file in files]
    assert folders == ["images_background", "images_background_small1"]
    alone = find_originals(omniglot, tmp_path / "images_background_small1")
    assert alone.listing.count == 2


def pickled() -> dict[str, NDArray[np.object_]]:
    return {"images": np.array([object()], dtype=object)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"images": pages(963)}, r"holds bool of shape \(963, 1, 5, 5\)"),
        ({"images": pages(964).astype(np.uint8)}, "holds uint8"),
        ({"images": pages(964)[:, 0]}, r"holds bool of shape \(964, 5, 5\)"),
        ({"drawings": pages(964)}, "has no array 'images'"),
        (pickled(), "allow_pickle=False"),
    ],
    ids=["another count", "another type", "another shape", "another name", "a pickle"],
)
def test_arrays_of_another_kind_are_refused(
    content: dict[str, NDArray[np.generic]],
    reason: str,
    omniglot: type[PackedImages],
    tmp_path: Path,
) -> None:
    np.savez(tmp_path / "images_background.npz", allow_pickle=True, **content)
    with pytest.raises(DataError, match=rf"images_background\.npz .*{reason}"):
        find_originals(omniglot, tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 2000, -30])
def test_arrays_that_were_cut_short_are_refused(
    kept: int, omniglot: type[PackedImages], tmp_path: Path
) -> None:
    whole = io.BytesIO()
    np.savez_compressed(whole, images=pages(964))
    (tmp_path / "images_background.npz").write_bytes(whole.getvalue()[:kept])
    with pytest.raises(DataError, match=r"images_background\.npz is damaged"):
        find_originals(omniglot, tmp_path)


def test_the_split_is_the_published_one(omniglot: type[PackedImages], real_data: Path) -> None:
    with (real_data / "omniglot" / "index_to_character.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["alphabet"]]
    names = {(row["alphabet"], row["character"]): row["file_prefix"] for row in rows}
    ours, seen = omniglot.class_splits[0].classes, 0
    for split, file_name in FILES.items():
        lines = (real_data / "omniglot" / "splits" / "vinyals" / file_name).read_text().split()
        assert len(lines) == 4 * Counter(ours.values())[split]
        for alphabet, character, _ in (line.split("/") for line in lines):
            if (alphabet, character) in names:
                assert ours[names[alphabet, character]] == split
                seen += 1
    assert seen == 4 * len(names) > 3600


def test_an_original_zip_and_the_arrays_are_the_same_data(
    omniglot: type[PackedImages], real_data: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(real_data / "omniglot" / "images_background_small1.zip") as archive:
        archive.extractall(tmp_path)
    as_files = find_originals(omniglot, tmp_path)
    assert as_files.listing.count == 136 * 20
    as_arrays = find_originals(omniglot, real_data / "omniglot" / "images_background.npz")
    characters = list(as_files.listing.images)[::8]
    for originals in (as_files, as_arrays):
        images = originals.listing.images
        originals.listing.images = {name: images[name] for name in characters}
    first = add(omniglot, as_files, partial=True).manifest
    second = add(omniglot, as_arrays, partial=True).manifest
    assert second.fingerprint == first.fingerprint
    assert second.marks_sha256 == first.marks_sha256


@pytest.mark.slow
def test_the_real_arrays_are_the_whole_data_set(
    omniglot: type[PackedImages], real_data: Path
) -> None:
    manifest = add(omniglot, find_originals(omniglot, real_data / "omniglot")).manifest
    assert manifest.missing is None
    assert manifest.count == 32_460
    assert omniglot().input_shape == (1, 28, 28)
