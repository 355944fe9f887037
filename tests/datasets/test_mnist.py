"""MNIST: digits from IDX files, gzipped or not, all of them to test on."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlbench.contract import SPLITS, Stream
from mlbench.errors import DataError, MisuseError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from mlbench.registry import load_dataset

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def mnist() -> type[PackedImages]:
    data = load_dataset("mnist")
    assert issubclass(data, PackedImages)
    return data


def idx(array: NDArray[np.uint8]) -> bytes:
    """Return an array in the form of an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write(folder: Path, part: str, labels: list[int], *, zipped: bool = False) -> Path:
    """Write images of noise with these labels, the same for the same part."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = noise(len(labels), seed=len(part))
    for name, content in (
        (f"{part}-images-idx3-ubyte", idx(pixels)),
        (f"{part}-labels-idx1-ubyte", idx(np.array(labels, dtype=np.uint8))),
    ):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def test_both_parts_are_joined_and_all_digits_are_to_test_on(
    mnist: type[PackedImages], tmp_path: Path
) -> None:
    write(tmp_path, "train", [3, 3, 9])
    write(tmp_path, "t10k", [9, 0])
    manifest = add(mnist, find_originals(mnist, tmp_path), partial=True).manifest
    assert {each.name: each.count for each in manifest.classes} == {"0": 1, "3": 2, "9": 2}
    data = mnist()
    assert {split: data.load(split).class_names for split in SPLITS} == {
        "train": (),
        "validation": (),
        "test": ("0", "3", "9"),
    }
    assert data.input_shape == (1, 28, 28)
    np.testing.assert_array_equal(data.split("test").images[0, ..., 0], noise(2, seed=4)[1])


def test_training_on_it_is_refused_and_testing_is_not(
    mnist: type[PackedImages], tmp_path: Path
) -> None:
    add(mnist, find_originals(mnist, write(tmp_path, "t10k", [0, 0, 1, 1])), partial=True)
    stream = Stream(fingerprint="any", split="train", ways=2, shots=1, queries=1, seed=0)
    with pytest.raises(MisuseError, match=r"mnist has no train classes; .* name it with --eval"):
        mnist().check(stream)
    mnist().check(replace(stream, split="test"))


@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
def test_gzipped_files_in_any_usual_folder_are_the_same_data(
    below: str, mnist: type[PackedImages], tmp_path: Path
) -> None:
    labels = [5, 1, 1]
    plain = write(tmp_path / "plain" / "MNIST" / "raw", "t10k", labels)
    write(tmp_path / "zipped" / below, "t10k", labels, zipped=True)
    add(mnist, find_originals(mnist, plain), partial=True)
    again = add(mnist, find_originals(mnist, tmp_path / "zipped"), partial=True)
    assert again.outcome == "unchanged"


def test_the_files_themselves_may_be_named(mnist: type[PackedImages], tmp_path: Path) -> None:
    write(tmp_path, "t10k", [5, 1], zipped=True)
    originals = find_originals(mnist, *sorted(tmp_path.iterdir()))
    assert originals.listing.count == 2


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut short": (lambda content: content[:-1], "784 bytes, and 783 follow"),
    "too long": (lambda content: content + b"\0", "784 bytes, and 785 follow"),
    "half a header": (lambda content: content[:7], "ends within its header"),
    "empty": (lambda content: b"", "is no IDX file of bytes"),
    "of floats": (lambda content: b"\0\0\x0d" + content[3:], "is no IDX file of bytes"),
    "half of a gzip": (lambda content: gzip.compress(content)[:-20], "damaged"),
    "a changed gzip": (lambda content: gzip.compress(content)[:-8] + bytes(8), "CRC"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_refused_by_name(
    what: str, mnist: type[PackedImages], tmp_path: Path
) -> None:
    damage, reason = DAMAGES[what]
    write(tmp_path, "t10k", [7])
    (tmp_path / IMAGES).write_bytes(damage((tmp_path / IMAGES).read_bytes()))
    with pytest.raises(DataError, match=rf"{IMAGES} .*{reason}"):
        find_originals(mnist, tmp_path)


@pytest.mark.parametrize(
    "labels", [idx(np.zeros(2, np.uint8)), idx(np.full(1, 10, np.uint8)), idx(noise(1))]
)
def test_labels_that_do_not_fit_the_images_are_refused(
    labels: bytes, mnist: type[PackedImages], tmp_path: Path
) -> None:
    write(tmp_path, "t10k", [7])
    (tmp_path / LABELS).write_bytes(labels)
    with pytest.raises(DataError, match="not images with a digit each"):
        find_originals(mnist, tmp_path)


def test_images_without_labels_are_refused(mnist: type[PackedImages], tmp_path: Path) -> None:
    write(tmp_path, "t10k", [7])
    (tmp_path / LABELS).unlink()
    with pytest.raises(DataError, match=f"{IMAGES} has no {LABELS} beside it"):
        find_originals(mnist, tmp_path)


def test_fashion_mnist_under_the_same_file_names_is_refused(
    mnist: type[PackedImages], tmp_path: Path
) -> None:
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    (tmp_path / LABELS).write_bytes(idx(labels))
    (tmp_path / IMAGES).write_bytes(idx(np.zeros((10_000, 1, 1), np.uint8)))
    with pytest.raises(DataError, match=r"classes equally often, as Fashion-MNIST"):
        find_originals(mnist, tmp_path)


def test_the_real_test_set_is_packed_as_it_is(mnist: type[PackedImages], real_data: Path) -> None:
    raw = real_data / "mnist_test" / "MNIST" / "raw"
    with gzip.open(raw / f"{IMAGES}.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28 * 28)
    with gzip.open(raw / f"{LABELS}.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    manifest = add(mnist, find_originals(mnist, real_data / "mnist_test"), partial=True).manifest
    assert manifest.missing == "10000 of 70000 images"
    assert [each.count for each in manifest.classes] == np.bincount(labels).tolist()
    test = mnist().split("test")
    ends = np.cumsum(test.class_sizes)
    packed = [
        {image.tobytes() for image in test.images[end - size : end]}
        for end, size in zip(ends, test.class_sizes, strict=True)
    ]
    for image, label in zip(pixels[:200], labels, strict=False):
        assert image.tobytes() in packed[label]
