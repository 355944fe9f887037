"""Opening a pack: at once if it is as it was written, one clear line otherwise."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.home import packed_names, remove_pack
from mlbench.images.originals import find_originals
from mlbench.images.pack import MARK, Pack
from mlbench.images.packing import add

Tiny = type[PackedImages]
Damage = Callable[[Path], Any]


@pytest.fixture
def folder(tiny: Tiny, tree: Path, home: Path) -> Path:
    add(tiny, find_originals(tiny, tree))
    return home / "tiny"


def rewrite(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **fields}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def overwrite(path: Path) -> None:
    path.write_bytes(b"?" * path.stat().st_size)


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
    ("file", "damage", "message"),
    [
        ("images.npy", Path.unlink, r"images\.npy cannot be read \(No such file"),
        ("marks.npy", Path.unlink, r"marks\.npy cannot be read \(No such file"),
        ("images.npy", cut, r"images\.npy has 2425 of its 2432 bytes"),
        ("marks.npy", cut, r"marks\.npy has \d+ of its \d+ bytes"),
        ("images.npy", flip_last_byte, r"images\.npy was changed after packing \(dog\)"),
        ("images.npy", overwrite, r"images\.npy is damaged"),
        (
            "images.npy",
            lambda path: np.save(path, np.zeros((12, 8, 24), np.uint8)),
            r"images\.npy holds another array",
        ),
    ],
    ids=["missing", "no marks", "cut", "marks cut", "changed", "overwritten", "another array"],
)
def test_an_array_that_is_not_as_packed_is_named_with_the_command_that_helps(
    file: str, damage: Damage, message: str, folder: Path, tree: Path
) -> None:
    damage(folder / file)
    with pytest.raises(DataError, match=message) as caught:
        Pack.open("tiny")
    assert str(caught.value).endswith(f"; run: mlbench data add tiny {tree} --size 8 --replace")
    assert "\n" not in str(caught.value)


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(folder: Path) -> None:
    path = folder / "images.npy"
    time = path.stat().st_mtime_ns
    flip_last_byte(path)
    os.utime(path, ns=(time, time))
    pack = Pack.open("tiny")
    with pytest.raises(DataError, match=r"images\.npy was changed after packing \(dog\); run: "):
        pack.verify()
    flip_last_byte(path)
    pack.verify()


def test_a_copied_home_is_hashed_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "copy" / "tiny", copy_function=shutil.copyfile)
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "copy"))
    hashed: list[Path] = []
    verify = Pack.verify

    def count(pack: Pack) -> None:
        hashed.append(pack.folder)
        verify(pack)

    monkeypatch.setattr(Pack, "verify", count)
    Pack.open("tiny")
    Pack.open("tiny")
    assert hashed == [tmp_path / "copy" / "tiny"]


@pytest.mark.parametrize(
    "fields",
    [
        {"recipe": {"image_size": 8, "channels": 3, "resize": "area", "crop": "none"}},
        {"classes": [{"name": "ant", "count": 12, "sha256": ""}]},
        {"own": True},
    ],
    ids=["recipe", "classes", "own"],
)
def test_a_manifest_that_was_edited_is_refused(fields: dict[str, object], folder: Path) -> None:
    rewrite(folder, **fields)
    with pytest.raises(DataError, match=r"manifest\.json was changed after packing; run: mlbench"):
        Pack.open("tiny")


@pytest.mark.parametrize("written", [1, 3])
def test_a_pack_of_another_format_is_refused(written: int, folder: Path) -> None:
    rewrite(folder, format=written)
    message = f"packed in format {written} and this version of mlbench reads 2; run: mlbench data"
    with pytest.raises(DataError, match=message):
        Pack.open("tiny")


def test_a_pack_of_the_former_format_can_be_replaced(tiny: Tiny, tree: Path, folder: Path) -> None:
    for split in ("train", "validation", "test"):
        np.save(folder / f"{split}.npy", np.zeros((3, 8, 8, 3), np.uint8))
    (folder / "images.npy").unlink()
    (folder / "marks.npy").unlink()
    rewrite(folder, format=1)
    with pytest.raises(DataError, match="already, and damaged; to replace it: "):
        add(tiny, find_originals(tiny, tree))
    assert add(tiny, find_originals(tiny, tree), replace=True).outcome == "replaced"
    assert sorted(path.name for path in folder.iterdir()) == [
        "images.npy",
        "manifest.json",
        "marks.npy",
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"format": 2, "fingerprint": ""}', "\xff"]
)
def test_a_damaged_manifest_is_refused(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(text, encoding="latin1")
    with pytest.raises(DataError, match=r"manifest\.json is damaged; run: mlbench data add tiny"):
        Pack.open("tiny")


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("recipe", {"image_size": 8, "colour": 3}),
        ("recipe", None),
        ("classes", ["ant"]),
        ("files", []),
        ("files", {}),
        ("roots", None),
        ("classes", {"ant": 3}),
        ("damaged", 3),
        ("split", {"rule": "mine", "splits": {"ant": "practice"}}),
        ("mood", "good"),
    ],
)
def test_a_manifest_with_a_field_that_makes_no_sense_is_damaged(
    field: str, content: object, folder: Path
) -> None:
    rewrite(folder, **{field: content})
    with pytest.raises(DataError, match=r"manifest\.json is damaged; run: mlbench data add tiny"):
        Pack.open("tiny")


def test_an_absent_manifest_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json is absent"):
        Pack.open("tiny")
    assert packed_names() == ["tiny"]


@pytest.mark.usefixtures("folder")
def test_torch_takes_the_pixels_and_writes_do_not_reach_the_file() -> None:
    pixels = Pack.open("tiny").pixels()
    assert pixels.shape == (12, 8, 8, 3)
    torch.from_numpy(pixels).zero_()
    Pack.open("tiny").verify()


@pytest.mark.usefixtures("folder")
def test_a_removed_pack_is_gone_and_one_in_use_can_still_be_read() -> None:
    pixels = Pack.open("tiny").pixels()
    before = pixels.sum()
    remove_pack("tiny")
    assert packed_names() == []
    assert pixels.sum() == before


def test_every_image_has_a_mark_in_its_place(folder: Path) -> None:
    pack = Pack.open("tiny")
    assert pack.marks().shape == (12,)
    assert pack.marks().dtype == MARK
    overwrite(folder / "marks.npy")
    with pytest.raises(DataError, match=r"marks\.npy is damaged; run: mlbench data add tiny"):
        pack.marks()


def test_classes_begin_where_those_before_them_end(tiny: Tiny, tree: Path, folder: Path) -> None:
    (tree / "train" / "bee" / "0.png").unlink()
    add(tiny, find_originals(tiny, tree), partial=True, replace=True)
    manifest = Pack.open("tiny").manifest
    assert manifest.starts == {"ant": 0, "bee": 3, "cat": 5, "dog": 8}
    assert manifest.count == 11
    assert [manifest.sizes(split) for split in ("train", "validation", "test")] == [
        [3, 2],
        [3],
        [3],
    ]


def test_nothing_is_packed_in_a_home_that_does_not_exist() -> None:
    assert packed_names() == []


def test_what_is_kept_of_the_originals_is_hashed_too(folder: Path) -> None:
    flip_last_byte(folder / "marks.npy")
    with pytest.raises(DataError, match=r"marks\.npy was changed after packing; run: mlbench data"):
        Pack.open("tiny")


def test_pixels_that_take_the_place_of_others_are_not_taken_for_them(
    tiny: Tiny, tree: Path, folder: Path, draw: Callable[..., Path]
) -> None:
    data = tiny()
    assert data.fingerprint
    draw(tree / "test" / "dog" / "0.png", 4321)
    add(tiny, find_originals(tiny, tree), replace=True)
    with pytest.raises(DataError, match="was replaced by other content while it was in use"):
        data.split("test")
