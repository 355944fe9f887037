"""Opening a pack: at once if it is as it was written, one clear line otherwise."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.home import packed_names, remove_pack
from mlbench.images.originals import find_originals
from mlbench.images.pack import Pack
from mlbench.images.packing import add

Tiny = type[PackedImages]


@pytest.fixture
def folder(tiny: Tiny, tree: Path, home: Path) -> Path:
    add(tiny, find_originals(tiny, tree))
    return home / "tiny"


def rewrite(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **fields}))


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("folder")
def test_opening_reads_no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> NoReturn:
        raise AssertionError("pixels were hashed")

    monkeypatch.setattr(Pack, "verify", never)
    Pack.open("tiny")


def test_a_data_set_that_is_not_there_names_the_command_that_brings_it(
    tiny: Tiny, home: Path
) -> None:
    expected = (
        f"tiny is not packed in {home}; get tiny from its author;"
        " then run: mlbench data add tiny PATH"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        _ = tiny().fingerprint


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, r"validation\.npy cannot be read \(No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), r"has 697 of its 704 bytes"),
        (flip_last_byte, r"was changed after packing"),
        (lambda path: path.write_bytes(b"?" * path.stat().st_size), r"is damaged"),
        (
            lambda path: np.save(path, np.zeros((3, 8, 24), np.uint8)),
            r"holds another array",
        ),
    ],
    ids=["missing", "truncated", "changed", "overwritten", "another array"],
)
def test_an_array_that_is_not_as_packed_is_named_with_the_command_that_helps(
    damage: object, message: str, folder: Path, tree: Path
) -> None:
    path = folder / "validation.npy"
    assert callable(damage)
    damage(path)
    os.utime(folder, ns=(0, 0))
    with pytest.raises(DataError, match=message) as caught:
        Pack.open("tiny")
    assert str(caught.value).endswith(f"; run: mlbench data add tiny {tree} --replace")
    assert "\n" not in str(caught.value)


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(folder: Path) -> None:
    path = folder / "train.npy"
    time = path.stat().st_mtime_ns
    flip_last_byte(path)
    os.utime(path, ns=(time, time))
    pack = Pack.open("tiny")
    pack.verify("test")
    with pytest.raises(DataError, match=r"train\.npy was changed after packing"):
        pack.verify("train")


def test_a_copied_home_is_hashed_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "copy" / "tiny", copy_function=shutil.copyfile)
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "copy"))
    hashed: list[str] = []
    verify = Pack.verify

    def count(pack: Pack, split: object) -> None:
        hashed.append(str(split))
        verify(pack, split)  # type: ignore[arg-type]

    monkeypatch.setattr(Pack, "verify", count)
    Pack.open("tiny")
    Pack.open("tiny")
    assert sorted(hashed) == ["test", "train", "validation"]


def test_a_manifest_that_was_edited_is_refused(folder: Path) -> None:
    rewrite(folder, split_rule="mine")
    with pytest.raises(DataError, match=r"manifest\.json was changed after packing; run: mlbench"):
        Pack.open("tiny")


def test_a_pack_of_another_format_is_refused(folder: Path) -> None:
    rewrite(folder, format=2)
    with pytest.raises(DataError, match="packed in format 2 and this version of mlbench reads 1"):
        Pack.open("tiny")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "fingerprint": ""}'])
def test_a_damaged_manifest_is_refused(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json is damaged; run: mlbench data add tiny"):
        Pack.open("tiny")


def test_an_absent_manifest_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json is absent"):
        Pack.open("tiny")
    assert packed_names() == ["tiny"]


@pytest.mark.usefixtures("folder")
def test_torch_takes_the_pixels_and_writes_do_not_reach_the_file() -> None:
    pixels = Pack.open("tiny").load("train")
    assert pixels.shape == (6, 8, 8, 3)
    torch.from_numpy(pixels).zero_()
    Pack.open("tiny").verify("train")


@pytest.mark.usefixtures("folder")
def test_a_removed_pack_is_gone_and_one_in_use_can_still_be_read() -> None:
    pixels = Pack.open("tiny").load("train")
    before = pixels.sum()
    remove_pack("tiny")
    assert packed_names() == []
    assert pixels.sum() == before


def test_nothing_is_packed_in_a_home_that_does_not_exist() -> None:
    assert packed_names() == []
