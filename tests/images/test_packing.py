"""Packing: what comes out are the pixels of the files, however those lay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.layouts import CLASS_FOLDERS
from mlbench.images.originals import find_originals
from mlbench.images.pack import Manifest, Pack
from mlbench.images.packed import ClassSplit
from mlbench.images.packing import Added, add
from mlbench.images.recipe import Recipe

Draw = Callable[..., Path]
Tiny = type[PackedImages]


def pack(data: Tiny, root: Path, *, partial: bool = False, replace: bool = False) -> Added:
    return add(data, find_originals(data, root), partial=partial, replace=replace)


def visible(home: Path) -> list[str]:
    return sorted(each.name for each in home.iterdir() if each.suffix != ".lock")


def test_both_layouts_give_the_same_pack_whatever_files_are_called(
    tiny: Tiny, tree: Path, table: Path
) -> None:
    first = pack(tiny, tree)
    second = pack(tiny, table)
    assert (first.outcome, second.outcome) == ("packed", "unchanged")
    assert first.manifest.fingerprint == second.manifest.fingerprint


def test_class_folders_give_the_same_pack_as_trees(tiny: Tiny, tree: Path, tmp_path: Path) -> None:
    for folder in tree.glob("*/*"):
        shutil.copytree(folder, tmp_path / "flat" / folder.name)
    assert (
        pack(tiny, tree).manifest.fingerprint == pack(tiny, tmp_path / "flat").manifest.fingerprint
    )


@pytest.mark.parametrize("change", ["pixel", "split", "class"])
def test_the_fingerprint_tells_what_decides_an_episode(change: str, tiny: Tiny, tree: Path) -> None:
    """A pack's tells pixels and classes, a data set's which class is in which split, too."""
    before = pack(tiny, tree).manifest.fingerprint
    drawn_before = tiny().fingerprint
    classes = dict(tiny.class_splits[0].classes)
    if change == "pixel":
        path = tree / "test" / "dog" / "0.png"
        pixels = np.asarray(Image.open(path)).copy()
        pixels[3, 4, 1] ^= 1
        Image.fromarray(pixels).save(path)
    elif change == "split":
        (tree / "train" / "ant").rename(tree / "test" / "ant")
        classes["ant"] = "test"
    else:
        (tree / "train" / "ant").rename(tree / "train" / "asp")
        classes["asp"] = classes.pop("ant")
    tiny.class_splits = (ClassSplit("ours", "this test", classes),)
    assert (pack(tiny, tree, replace=True).manifest.fingerprint == before) == (change == "split")
    assert tiny().fingerprint != drawn_before


def test_pixels_are_those_of_the_files(tiny: Tiny, tree: Path) -> None:
    pack(tiny, tree)
    packed = Pack.open("tiny")
    assert packed.manifest.sizes("train") == [3, 3]
    assert packed.pixels().shape == (12, 8, 8, 3)
    for place, name in enumerate(["ant", "bee", "cat", "dog"]):
        assert packed.manifest.classes[place].name == name
        files = next(tree.glob(f"*/{name}")).iterdir()
        expected = {np.asarray(Image.open(file)).tobytes() for file in files}
        found = packed.pixels()[3 * place : 3 * place + 3]
        assert {image.tobytes() for image in found} == expected


@pytest.mark.parametrize("size", [(30, 12), (5, 8)])
def test_images_of_other_sizes_are_squashed_by_bicubic_resampling(
    size: tuple[int, int], tiny: Tiny, tree: Path, draw: Draw
) -> None:
    for number in range(3):
        file = draw(tree / "test" / "dog" / f"{number}.png", 99, size=size)
    pack(tiny, tree)
    expected = Image.open(file).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(Pack.open("tiny").pixels()[9], np.asarray(expected))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_and_indexed_images_become_rgb(mode: str, tiny: Tiny, tree: Path, draw: Draw) -> None:
    for number in range(3):
        file = draw(tree / "val" / "cat" / f"{number}.png", 99, mode=mode)
    pack(tiny, tree)
    image = Pack.open("tiny").pixels()[6]
    np.testing.assert_array_equal(image, np.asarray(Image.open(file).convert("RGB")))
    if mode == "L":
        assert (image == image[..., :1]).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no image", "it is no image"), (None, "truncated"), (b"", "it is no image")],
    ids=["text", "cut short", "empty"],
)
def test_a_damaged_image_is_named_and_refused(
    content: bytes | None, reason: str, tiny: Tiny, tree: Path, home: Path
) -> None:
    path = tree / "train" / "bee" / "1.jpg"
    (tree / "train" / "bee" / "1.png").unlink()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2000] if content is None else content)
    with pytest.raises(DataError, match=rf"bee/1\.jpg cannot be decoded \(.*{reason}"):
        pack(tiny, tree)
    assert visible(home) == []


def test_sixteen_bits_a_channel_are_refused_rather_than_clipped(tiny: Tiny, tree: Path) -> None:
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tree / "train" / "ant" / "0.png")
    with pytest.raises(DataError, match=r"ant/0\.png .*more than 8 bits"):
        pack(tiny, tree)


def test_an_incomplete_data_set_needs_partial_and_the_command_is_given(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    (tree / "train" / "ant" / "0.png").unlink()
    command = rf"mlbench data add tiny {tree} --partial$"
    with pytest.raises(DataError, match=rf"holds 11 of 12 images, so tiny .*{command}"):
        pack(tiny, tree)
    assert not home.exists()
    assert pack(tiny, tree, partial=True).manifest.missing == "11 of 12 images"


def test_a_selection_with_its_own_index_needs_no_leave_but_is_called_incomplete(
    tiny: Tiny, table: Path
) -> None:
    index = table / "train.csv"
    lines = index.read_text().splitlines()
    del lines[1]
    index.write_text("\n".join(lines))
    assert pack(tiny, table).manifest.missing == "11 of 12 images"
    index.write_text("\n".join([*lines, "absent.png,ant"]))
    with pytest.raises(DataError, match=r"absent\.png is listed and absent.* --partial$"):
        pack(tiny, table)


def test_other_content_is_refused_unless_it_is_to_be_replaced(
    tiny: Tiny, tree: Path, home: Path, draw: Draw
) -> None:
    before = pack(tiny, tree).manifest.fingerprint
    draw(tree / "test" / "dog" / "0.png", 1234)
    with pytest.raises(DataError, match=r"already, with other content; .*tree --size 8 --replace$"):
        pack(tiny, tree)
    assert Pack.open("tiny").manifest.fingerprint == before
    assert pack(tiny, tree, replace=True).outcome == "replaced"
    assert Pack.open("tiny").manifest.fingerprint != before
    assert visible(home) == ["tiny"]


def test_a_damaged_pack_is_not_mistaken_for_the_same_content(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    pack(tiny, tree)
    path = home / "tiny" / "images.npy"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(time, time))
    with pytest.raises(DataError, match="already, and damaged; to replace it"):
        pack(tiny, tree)
    assert pack(tiny, tree, replace=True).outcome == "replaced"


def test_images_are_counted_while_they_are_packed(tiny: Tiny, tree: Path) -> None:
    counts: list[int] = []
    add(tiny, find_originals(tiny, tree), advance=counts.append)
    assert counts == [3, 3, 3, 3]


def test_only_some_splits_can_be_packed(tiny: Tiny, tree: Path) -> None:
    shutil.rmtree(tree / "train")
    tiny.layouts = (*tiny.layouts, CLASS_FOLDERS)
    pack(tiny, tree, partial=True)
    assert tiny().split("test").class_sizes == (3,)
    train = tiny().split("train")
    assert (train.count, train.class_names, train.class_sizes) == (0, (), ())
    assert train.gather(train.indices).shape == (0, 3, 8, 8)


def test_the_manifest_says_where_the_images_came_from(tiny: Tiny, tree: Path, home: Path) -> None:
    written = pack(tiny, tree).manifest
    assert Manifest.read(home / "tiny") == written
    assert written.roots == (str(tree),)
    assert written.layout == "train/, val/ and test/ with a folder per class"
    assert written.recipe == Recipe(image_size=8, resize="squash-bicubic", crop="none")
    assert (written.licence, written.own, written.damaged) == ("none", False, ())
    assert written.split.rule == "this test"
    assert written.split.splits == tiny.class_splits[0].classes


def test_an_image_that_is_named_twice_is_packed_once(
    tiny: Tiny, table: Path, tmp_path: Path
) -> None:
    """Otherwise it could be shown with its label, and asked for, in one task."""
    copies = tmp_path / "tables"
    copies.mkdir()
    for file in table.glob("*.csv"):
        shutil.copy(file, copies / file.name)
    shutil.copy(table / "val.csv", table / "validation.csv")
    listing = find_originals(tiny, table, copies).listing
    assert {name: len(pictures) for name, pictures in listing.images.items()} == dict.fromkeys(
        ("ant", "bee", "cat", "dog"), 3
    )


def test_replacing_renews_what_is_said_of_the_same_content(tiny: Tiny, tree: Path) -> None:
    first = pack(tiny, tree)
    assert pack(tiny, tree, replace=True).outcome == "replaced"
    tiny.images_per_class = 4
    assert pack(tiny, tree, partial=True).outcome == "replaced"
    again = Pack.open("tiny").manifest
    assert (first.manifest.missing, again.missing) == (None, "3 of 4 images a class")
    assert again.fingerprint == first.manifest.fingerprint


def test_no_image_is_left_out_for_want_of_a_bounding_box(tiny: Tiny, tree: Path) -> None:
    recipe = replace(tiny.recipe(), crop="bbox")
    with pytest.raises(DataError, match="has no bounding box; add it without --crop bbox"):
        add(tiny, find_originals(tiny, tree), recipe=recipe, skip_damaged=True)
