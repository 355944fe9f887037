"""Images, packs and arrays from elsewhere are read as data, or refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from mlbench.errors import DataError
from mlbench.images.home import data_home, own_names
from mlbench.images.layouts import idx
from mlbench.images.layouts.idx import read_idx
from mlbench.images.overlaps.records import recall, record_of
from mlbench.images.own import find_own
from mlbench.images.pack import Manifest, Pack
from mlbench.images.packing import add
from mlbench.images.pictures import FileImage
from mlbench.images.splitting import parse_split
from mlbench.registry import find_plugins

DEEP = "[" * 100_000


def test_an_image_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(file, "EPS")
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "check_call", started.append)
    monkeypatch.setattr(subprocess, "Popen", started.append)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    with pytest.raises(DataError, match="it is no image"):
        FileImage(file).decode()
    assert started == []


@pytest.mark.parametrize("form", ["GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", "BMP"])
def test_images_of_these_kinds_are_read_whatever_their_suffix(form: str, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png", form)
    assert FileImage(tmp_path / "a.png").decode().size == (4, 4)


def test_an_image_of_a_billion_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    file = tmp_path / "a.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    with pytest.raises(DataError, match="decompression bomb"):
        FileImage(file).decode()


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_an_array_that_grows_beyond_all_measure_is_not_read_to_its_end(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "MOST", 1 << 20)
    header = b"\0\0\x08\x01" + struct.pack(">I", 1 << 24)
    (tmp_path / "a").write_bytes(pack(header + bytes(1 << 24)))
    with pytest.raises(DataError, match="more than 1 MB"):
        read_idx(tmp_path / "a")


def test_a_pack_whose_json_is_deep_is_damaged_and_hides_no_plugin() -> None:
    folder = data_home() / "mine"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(DEEP)
    (folder / "images.npy").touch()
    with pytest.raises(DataError, match="is damaged"):
        Pack.open("mine")
    assert own_names() == []
    assert "sine" in find_plugins("datasets")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a data home with one pack, called mine."""
    folder = tmp_path_factory.mktemp("packs")
    random = np.random.default_rng(0)
    for name in "abc":
        (folder / "zoo" / name).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "zoo" / name / f"{number}.png")
    with at(folder / "home"):
        split = parse_split(["train=1,val=1,test=1"])
        data, found = find_own("mine", [folder / "zoo"], split, None)
        add(data, found)
        yield folder / "home" / "mine"


@contextmanager
def at(folder: Path) -> Iterator[None]:
    """Let a folder be the data home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLBENCH_DATA", str(folder))
        yield


@contextmanager
def spoilt(pack: Path, file: str, content: bytes, *, younger: bool = True) -> Iterator[None]:
    """Put other content into a file of a pack for a while."""
    path = pack / file
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(content)
    if not younger:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        with at(pack.parent):
            yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def looked_at() -> bool:
    """Return whether the pack can be opened; all that may go wrong is that it is refused."""
    own_names()
    try:
        pack = Pack.open("mine")
        pack.verify()
        recall(pack.manifest, None)
    except DataError:
        return False
    return True


ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**62, 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


def refingerprinted(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with the fingerprint that belongs to it, if it can have one."""
    rest = {name: value for name, value in fields.items() if name not in {"format", "fingerprint"}}
    try:
        return fields | {"fingerprint": Manifest.from_json(rest).fingerprint}
    except Exception:
        return fields


@settings(max_examples=100)
@given(data=st.data())
def test_a_manifest_with_any_value_in_it_is_read_or_refused(
    data: st.DataObject, home: Path
) -> None:
    manifest = json.loads((home / "manifest.json").read_text())
    part, place = manifest, data.draw(st.sampled_from(sorted(manifest)))
    while isinstance(part[place], dict | list) and part[place] and data.draw(st.booleans()):
        part = part[place]
        keys = sorted(part) if isinstance(part, dict) else range(len(part))
        place = data.draw(st.sampled_from(keys))
    part[place] = data.draw(ODD)
    text = json.dumps(refingerprinted(manifest)).encode()
    with spoilt(home, "manifest.json", text):
        looked_at()


@settings(max_examples=60)
@given(data=st.data(), file=st.sampled_from(["images.npy", "marks.npy"]), younger=st.booleans())
def test_an_array_with_any_header_is_read_or_refused(
    data: st.DataObject, file: str, younger: bool, home: Path
) -> None:
    content = bytearray((home / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        sign = data.draw(st.sampled_from(list(b"(){}[],'<>O|9 ")) | st.integers(0, 255))
        content[data.draw(st.integers(0, 127))] = sign
    with spoilt(home, file, bytes(content), younger=younger):
        looked_at()


@pytest.mark.parametrize("begin", [b"PK\3\4", pickle.dumps(print), b"\x93NUMPY\3\0"])
@pytest.mark.parametrize("younger", [False, True])
def test_an_array_in_another_format_is_damaged(begin: bytes, younger: bool, home: Path) -> None:
    content = begin + (home / "images.npy").read_bytes()[len(begin) :]
    with spoilt(home, "images.npy", content, younger=younger):
        assert not looked_at()


@pytest.mark.parametrize("text", [DEEP, '{"format": 1, "pairs": ' + DEEP, '{"format": 1}'])
def test_a_record_of_what_two_data_sets_share_that_is_spoilt_counts_as_none(
    text: str, home: Path
) -> None:
    with at(home.parent):
        manifest = Pack.open("mine").manifest
        path, _ = record_of(manifest, None)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        assert recall(manifest, None) is None


def test_the_pack_that_these_are_made_of_can_be_opened(home: Path) -> None:
    with at(home.parent):
        assert looked_at()
