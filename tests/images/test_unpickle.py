"""Pickles of data, read without being run: all values come out, large arrays stay in the file."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlbench.errors import DataError
from mlbench.images.pickled import Extent, PickledArray
from mlbench.images.unpickle import LARGE, unpickle
from tests.images import python2

Read = Callable[[bytes], Any]
PROTOCOLS = (2, 3, 4, 5)
with_files = settings(
    max_examples=35, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
noise = np.random.default_rng(0)
IMAGES = noise.integers(0, 256, (20, 28, 28, 6), dtype=np.uint8)
assert IMAGES.nbytes > LARGE
ARRAYS = {
    "bytes": IMAGES[:2, :3, :4],
    "large": IMAGES,
    "by columns": np.asfortranarray(IMAGES[:2, :3, :4, :5]),
    "large by columns": np.asfortranarray(IMAGES),
    "turned": IMAGES.transpose(1, 0, 3, 2)[:3],
    "large, turned": IMAGES.transpose(3, 1, 2, 0),
    "channels moved": IMAGES.transpose(0, 3, 1, 2),
    "with gaps": IMAGES[::2, :, ::3],
    "other byte order": np.arange(-5, 5, dtype=">i4"),
    "large in other byte order": np.arange(20_000, dtype=">f8").reshape(100, 200),
    "floats": noise.normal(size=(3, 4)),
    "half floats": noise.normal(size=5).astype(np.float16),
    "truth values": np.array([True, False, True]),
    "no dimension": np.array(3.5),
    "empty": np.empty((0, 28, 28), dtype=np.uint8),
}
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.text() | st.integers() | st.binary()
values = st.recursive(
    plain | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(keys, inner)
    ),
    max_leaves=30,
)
latin = st.text(st.characters(max_codepoint=255))
values_of_python2 = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False)
    | latin,
    lambda inner: st.lists(inner) | st.dictionaries(latin, inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes a pickle's bytes into a file, and reads that."""

    def write_and_read(content: bytes) -> Any:
        path = tmp_path / "data.pkl"
        path.write_bytes(content)
        return unpickle(path)

    return write_and_read


def assert_same(found: Any, expected: NDArray[Any]) -> None:
    """Compare an array that was read with what it was, rows and all."""
    assert isinstance(found, PickledArray)
    whole = np.asarray(found)
    assert found.shape == whole.shape == expected.shape
    assert whole.dtype == expected.dtype
    np.testing.assert_array_equal(whole, expected)
    if expected.ndim:
        assert len(found) == len(expected)
        for index, row in enumerate(expected[:5]):
            assert found[index].dtype == expected.dtype
            np.testing.assert_array_equal(found[index], row)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_an_array_is_what_it_was(array: NDArray[Any], protocol: int, read: Read) -> None:
    assert_same(read(pickle.dumps(array, protocol)), array)


@pytest.mark.parametrize("name", [name for name in ARRAYS if "truth" not in name])
def test_an_array_that_python_2_wrote_is_what_it_was(name: str, read: Read) -> None:
    content = python2.dumps({"image_data": np.ascontiguousarray(ARRAYS[name])})
    assert_same(read(content)["image_data"], np.ascontiguousarray(ARRAYS[name]))


def test_an_array_that_python_2_wrote_by_columns_is_what_it_was(read: Read) -> None:
    array = np.asfortranarray(IMAGES[:2, :3, :4, :5])
    assert_same(read(python2.dumps(array)), array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@with_files
@given(value=values)
def test_plain_data_are_what_they_were(protocol: int, value: Any, read: Read) -> None:
    found = read(pickle.dumps(value, protocol))
    assert found == value
    assert repr(found) == repr(value)  # True is no 1, and a tuple is no list


@with_files
@given(value=values_of_python2)
def test_what_python_2_wrote_is_read_as_with_latin1(value: Any, read: Read) -> None:
    content = python2.dumps(value)
    assert repr(read(content)) == repr(pickle.loads(content, encoding="latin1")) == repr(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "number", [np.float32(0.1), np.float64(-2.5), np.int64(-7), np.uint8(200), np.bool_(True)]
)
def test_a_single_number_is_what_it_was(number: Any, protocol: int, read: Read) -> None:
    found = read(pickle.dumps({"lr": number}, protocol))["lr"]
    assert found == number
    assert found.dtype == number.dtype


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_shared_is_shared(protocol: int, read: Read) -> None:
    rows = [1, 2, 3]
    array = np.arange(4)
    found = read(pickle.dumps({"a": rows, "b": rows, "c": [array, array]}, protocol))
    assert found["a"] is found["b"]
    assert found["c"][0] is found["c"][1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_list_that_holds_itself_is_no_trouble(protocol: int, read: Read) -> None:
    rows: list[Any] = [1]
    rows.append(rows)
    found = read(pickle.dumps(rows, protocol))
    assert found[1] is found


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_large_array_stays_in_its_file_and_rows_are_read_alone(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({"image_data": IMAGES}, protocol))
    array = unpickle(path)["image_data"]
    content = array.content
    assert isinstance(content, Extent)
    found = path.read_bytes()[content.offset : content.offset + content.length]
    assert found == IMAGES.tobytes()
    reads: list[tuple[int, int]] = []
    read = Extent.read

    def count(extent: Extent, start: int, length: int) -> bytes:
        reads.append((start, length))
        return read(extent, start, length)

    monkeypatch.setattr(Extent, "read", count)
    np.testing.assert_array_equal(array[7], IMAGES[7])
    assert reads == [(7 * IMAGES[0].nbytes, IMAGES[0].nbytes)]


def test_what_python_2_wrote_stays_in_its_file_too(read: Read) -> None:
    assert isinstance(read(python2.dumps({"data": IMAGES}))["data"].content, Extent)


@pytest.mark.parametrize("index", [-1, 20])
def test_there_are_no_rows_before_the_first_and_after_the_last(index: int, read: Read) -> None:
    with pytest.raises(IndexError, match=f"the array has 20 rows, no {index}"):
        _ = read(pickle.dumps(IMAGES, 4))[index]


@pytest.mark.parametrize(("opcode", "width"), [(b"\x8e", "<Q"), (b"\x96", "<Q"), (b"B", "<I")])
def test_a_pickle_of_gigabytes_takes_no_memory(opcode: bytes, width: str, tmp_path: Path) -> None:
    """The file has a hole in place of the pixels: they take no room on the disk either."""
    shape = (100_000, 84, 84, 3)
    size = 100_000 * 84 * 84 * 3
    state = python2.operations(shape) + b"cnumpy\ndtype\n" + python2.operations(("u1", 0, 1)) + b"R"
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + state + b"\x89"
    path = tmp_path / "large.pkl"
    with path.open("wb") as file:
        file.write(head + opcode + struct.pack(width, size))
        file.seek(size - 1, 1)
        file.write(b"\x07tb.")
    tracemalloc.start()
    array = unpickle(path)
    last = array[99_999]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    path.unlink()
    assert peak < 2_000_000
    assert array.shape == shape
    assert (last.sum(), last[-1, -1, -1]) == (7, 7)


def contents() -> list[bytes]:
    """Return small pickles that hold all kinds of what data are made of."""
    data = {
        "image_data": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
        "class_dict": {"n01": [0], "n02": [1]},
        "more": (1.5, None, True, np.float32(2), b"bytes", 2**70),
    }
    simple = {name: data[name] for name in ("image_data", "class_dict")}
    return [*(pickle.dumps(data, protocol) for protocol in PROTOCOLS), python2.dumps(simple)]


@pytest.mark.parametrize("content", contents(), ids=[*map(str, PROTOCOLS), "python 2"])
def test_a_pickle_cut_short_anywhere_is_damaged(content: bytes, read: Read) -> None:
    read(content)
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"data\.pkl is no pickle, or is damaged \(.+\); resto"):
            read(content[:length])


@with_files
@given(st.integers(0, IMAGES.nbytes), st.sampled_from([*PROTOCOLS, None]))
def test_a_large_array_cut_short_anywhere_is_damaged(
    read: Read, length: int, protocol: int | None
) -> None:
    content = python2.dumps(IMAGES) if protocol is None else pickle.dumps(IMAGES, protocol)
    with pytest.raises(DataError, match="is no pickle, or is damaged"):
        read(content[:length])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "pickle exhausted before seeing STOP"),
        (b"not a pickle", "no pickle, or is damaged"),
        (b"\x80\x04N", "exhausted"),
        (b"\x80\x04.", "empty"),
        (b"\x80\x04t.", "no pickle, or is damaged"),
        (b"\x80\x04h\x05.", "damaged .5"),
        (b"\x80\x04}K\x01K\x02e.", "damaged"),
        (b"PK\x03\x04 a zip file", "damaged|asks for"),
    ],
)
def test_what_is_no_pickle_is_called_that(content: bytes, reason: str, read: Read) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        read(content)
    assert "\n" not in str(caught.value)


def test_an_array_with_fewer_bytes_than_its_shape_says_is_damaged(read: Read) -> None:
    content = pickle.dumps(np.arange(6, dtype=np.uint8), 2)
    assert content.count(b"K\x06\x85") == 1
    with pytest.raises(DataError, match=r"damaged \(an array of shape \(7,\) has 6 bytes\)"):
        read(content.replace(b"K\x06\x85", b"K\x07\x85"))


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.pkl cannot be read \(No such file"):
        unpickle(tmp_path / "gone.pkl")
