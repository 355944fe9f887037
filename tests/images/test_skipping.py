"""Damaged images, left out on demand: which they were is on record, the others are whole."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.pack import Manifest, Pack
from mlbench.images.packing import Added, add

Draw = Callable[..., Path]
Tiny = type[PackedImages]


def pack(data: Tiny, root: Path, *, replace: bool = False) -> Added:
    return add(data, find_originals(data, root), skip_damaged=True, replace=replace)


def originals(folder: Path) -> set[bytes]:
    """Return the pixels of the images of a folder that can be decoded."""
    files = [file for file in folder.iterdir() if file.stat().st_size > 10]
    return {np.asarray(Image.open(file)).tobytes() for file in files}


@pytest.fixture
def damaged(tree: Path) -> list[Path]:
    """Return two images, one of ``bee`` and one of ``cat``, after damaging them."""
    files = [tree / "train" / "bee" / "1.png", tree / "val" / "cat" / "2.png"]
    for file in files:
        file.write_bytes(b"no image")
    return files


def test_damaged_images_are_left_out_and_recorded(
    tiny: Tiny, tree: Path, damaged: list[Path], home: Path
) -> None:
    manifest = pack(tiny, tree).manifest
    assert manifest.damaged == tuple(map(str, damaged))
    assert manifest.missing == "2 damaged images left out"
    assert tiny().incomplete == "2 damaged images left out"
    assert Manifest.read(home / "tiny") == manifest
    assert [(each.name, each.count) for each in manifest.classes] == [
        ("ant", 3),
        ("bee", 2),
        ("cat", 2),
        ("dog", 3),
    ]


@pytest.mark.usefixtures("damaged")
def test_the_other_images_are_in_their_places(tiny: Tiny, tree: Path, home: Path) -> None:
    pack(tiny, tree)
    packed = Pack.open("tiny")
    packed.verify()
    assert np.load(home / "tiny" / "images.npy").shape == (10, 8, 8, 3)
    assert packed.marks().shape == (10,)
    for each in packed.manifest.classes:
        start = packed.manifest.starts[each.name]
        found = packed.pixels()[start : start + each.count]
        assert {image.tobytes() for image in found} == originals(next(tree.glob(f"*/{each.name}")))


@pytest.mark.parametrize("count", [2, 10])
def test_a_file_of_fewer_images_is_as_if_there_had_never_been_more(
    count: int, tiny: Tiny, tree: Path, draw: Draw, home: Path
) -> None:
    """Also where the number of images written first has more digits."""
    for number in range(count):
        draw(tree / "train" / "ant" / f"more{number}.png", 500 + number)
    contents = []
    for spoil in (True, False):
        file = tree / "train" / "bee" / "1.png"
        file.write_bytes(b"no image") if spoil else file.unlink()
        originals = find_originals(tiny, tree)
        add(tiny, originals, partial=True, skip_damaged=True, replace=True)
        contents.append((home / "tiny" / "images.npy").read_bytes())
    assert contents[0] == contents[1]


def test_the_image_left_out_counts_among_what_is_missing(tiny: Tiny, tree: Path) -> None:
    (tree / "train" / "ant" / "0.png").unlink()
    (tree / "train" / "ant" / "1.png").write_bytes(b"")
    added = add(tiny, find_originals(tiny, tree), partial=True, skip_damaged=True)
    assert added.manifest.missing == "11 of 12 images, 1 damaged image left out"


@pytest.mark.usefixtures("damaged")
def test_the_command_that_packs_these_data_again_skips_what_is_damaged(
    tiny: Tiny, tree: Path
) -> None:
    words = shlex.split(pack(tiny, tree).manifest.add_command)
    assert words == [
        *("mlbench", "data", "add", "tiny", str(tree)),
        *("--partial", "--skip-damaged", "--size", "8", "--replace"),
    ]


@pytest.mark.usefixtures("damaged")
def test_leaving_the_same_images_out_again_changes_nothing(tiny: Tiny, tree: Path) -> None:
    first = pack(tiny, tree)
    assert pack(tiny, tree) == (first.manifest, "unchanged")


def test_an_image_restored_later_is_other_content(
    tiny: Tiny, tree: Path, damaged: list[Path], draw: Draw
) -> None:
    before = pack(tiny, tree).manifest.fingerprint
    draw(damaged[0], 77)
    with pytest.raises(DataError, match="already, with other content"):
        pack(tiny, tree)
    assert pack(tiny, tree, replace=True).manifest.fingerprint != before


def test_a_class_of_which_no_image_is_left_is_left_out(tiny: Tiny, tree: Path) -> None:
    for file in (tree / "test" / "dog").iterdir():
        file.write_bytes(b"no image")
    manifest = pack(tiny, tree).manifest
    assert [each.name for each in manifest.classes] == ["ant", "bee", "cat"]
    assert len(manifest.damaged) == 3
    assert tiny().split("test").class_names == ()
    Pack.open("tiny").verify()


def test_images_of_which_none_can_be_decoded_are_refused(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    for file in tree.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"no image of .*tree can be decoded, .*ant/0\.png"):
        pack(tiny, tree)
    assert [each.name for each in home.iterdir()] == [".tiny.lock"]


@pytest.mark.usefixtures("damaged")
def test_without_leave_the_first_damaged_image_is_named_with_the_option(
    tiny: Tiny, tree: Path
) -> None:
    with pytest.raises(DataError, match=r"bee/1\.png cannot be .* leave .* with --skip-damaged$"):
        add(tiny, find_originals(tiny, tree))


def test_nothing_damaged_is_nothing_left_out(tiny: Tiny, tree: Path) -> None:
    manifest = pack(tiny, tree).manifest
    assert (manifest.damaged, manifest.missing) == ((), None)
