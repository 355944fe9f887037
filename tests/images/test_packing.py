"""Packing: what comes out does not depend on how images lay, and never half of it comes out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from mlbench.errors import DataError, MisuseError
from mlbench.images import PackedImages
from mlbench.images.layouts import CLASS_FOLDERS
from mlbench.images.originals import find_originals
from mlbench.images.pack import Manifest, Pack
from mlbench.images.packing import Added, add

Draw = Callable[..., Path]
Tiny = type[PackedImages]

PACK_AND_WAIT = """
import sys
from pathlib import Path
from mlbench.images import PackedImages
from mlbench.images.layouts import SPLIT_TREES
from mlbench.images.originals import find_originals
from mlbench.images.packing import add

class Tiny(PackedImages):
    name = "tiny"
    obtain = split_rule = "this test"
    layouts = (SPLIT_TREES,)
    classes = {"ant": "train", "bee": "train", "cat": "validation", "dog": "test"}
    images = 12
    image_size = 8

def wait(images):
    print("packing", flush=True)
    sys.stdin.read()

add(Tiny, find_originals(Tiny, Path(sys.argv[1])), advance=wait)
"""


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


@pytest.mark.parametrize("change", ["pixel", "split rule", "class"])
def test_the_fingerprint_tells_what_decides_an_episode(change: str, tiny: Tiny, tree: Path) -> None:
    before = pack(tiny, tree).manifest.fingerprint
    if change == "pixel":
        path = tree / "test" / "dog" / "0.png"
        pixels = np.asarray(Image.open(path)).copy()
        pixels[3, 4, 1] ^= 1
        Image.fromarray(pixels).save(path)
    elif change == "split rule":
        tiny.split_rule = "another"
    else:
        (tree / "train" / "ant").rename(tree / "train" / "asp")
        tiny.classes = {"asp": "train", "bee": "train", "cat": "validation", "dog": "test"}
    assert pack(tiny, tree, replace=True).manifest.fingerprint != before


def test_pixels_are_those_of_the_files(tiny: Tiny, tree: Path) -> None:
    pack(tiny, tree)
    packed = Pack.open("tiny")
    assert packed.manifest.splits["train"].class_names == ("ant", "bee")
    assert packed.manifest.splits["train"].class_sizes == (3, 3)
    files = sorted((tree / "train" / "bee").iterdir())
    expected = {np.asarray(Image.open(file)).tobytes() for file in files}
    assert {image.tobytes() for image in packed.load("train")[3:]} == expected


@pytest.mark.parametrize("size", [(30, 12), (5, 8)])
def test_images_of_other_sizes_are_squashed_by_bicubic_resampling(
    size: tuple[int, int], tiny: Tiny, tree: Path, draw: Draw
) -> None:
    for number in range(3):
        file = draw(tree / "test" / "dog" / f"{number}.png", 99, size=size)
    pack(tiny, tree)
    expected = Image.open(file).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(Pack.open("tiny").load("test")[0], np.asarray(expected))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_and_indexed_images_become_rgb(mode: str, tiny: Tiny, tree: Path, draw: Draw) -> None:
    for number in range(3):
        file = draw(tree / "val" / "cat" / f"{number}.png", 99, mode=mode)
    pack(tiny, tree)
    image = Pack.open("tiny").load("validation")[0]
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


@pytest.mark.parametrize(
    ("sizes", "per_class", "note"),
    [
        ((3, 3, 3, 3), 3, None),
        ((3, 3, 3, 3), None, None),
        ((2, 2, 2, 2), 3, "2 of 3 images a class"),
        ((2, 2, 2, 2), None, "2 of ~3 images a class"),
        ((3, 3, 0, 3), 3, "3 of 4 classes"),
        ((3, 2, 0, 3), 3, "3 of 4 classes, 8 of 12 images"),
        ((2, 4, 3, 3), 3, "12 of 12 images"),
        ((2, 4, 3, 3), None, None),
        ((4, 4, 4, 4), 3, "4 of 3 images a class"),
    ],
)
def test_what_is_missing_is_said_in_a_few_words(
    sizes: Sequence[int],
    per_class: int | None,
    note: str | None,
    tiny: Tiny,
    tmp_path: Path,
    draw: Draw,
) -> None:
    tiny.images_per_class = per_class
    for name, size in zip(tiny.classes, sizes, strict=True):
        for number in range(size):
            draw(tmp_path / "flat" / name / f"{number}.png", number)
    assert find_originals(tiny, tmp_path / "flat").missing == note


def test_images_all_of_one_size_are_no_originals_where_those_vary(
    tiny: Tiny, tree: Path, draw: Draw
) -> None:
    tiny.originals_vary = True
    assert find_originals(tiny, tree).missing == "not the original images (all 8x8)"
    draw(tree / "train" / "ant" / "0.png", 0, size=(9, 8))
    assert find_originals(tiny, tree).missing is None


def test_a_class_of_another_selection_is_refused(tiny: Tiny, tree: Path) -> None:
    (tree / "test" / "dog").rename(tree / "test" / "emu")
    with pytest.raises(DataError, match=r"class emu, which tiny \(split of this test\) does not"):
        find_originals(tiny, tree)


def test_a_class_in_another_split_is_refused(tiny: Tiny, tree: Path) -> None:
    (tree / "test" / "dog").rename(tree / "val" / "dog")
    with pytest.raises(DataError, match=r"class dog in validation, which .* has in test"):
        find_originals(tiny, tree)


def test_a_path_that_is_no_folder_is_misuse(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="nowhere is not a folder; give the one that holds"):
        find_originals(tiny, tmp_path / "nowhere")


def test_an_empty_folder_is_called_empty(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty; tiny is packed from images/ with"):
        find_originals(tiny, tmp_path)


def test_an_index_without_images_names_one_that_is_absent(tiny: Tiny, table: Path) -> None:
    shutil.rmtree(table / "images")
    (table / "images").mkdir()
    with pytest.raises(DataError, match=r"but no images: .*\.png is absent; get tiny from"):
        find_originals(tiny, table)


def test_other_content_is_refused_unless_it_is_to_be_replaced(
    tiny: Tiny, tree: Path, home: Path, draw: Draw
) -> None:
    before = pack(tiny, tree).manifest.fingerprint
    draw(tree / "test" / "dog" / "0.png", 1234)
    with pytest.raises(DataError, match=r"already, with other content; .*tree --replace$"):
        pack(tiny, tree)
    assert Pack.open("tiny").manifest.fingerprint == before
    assert pack(tiny, tree, replace=True).outcome == "replaced"
    assert Pack.open("tiny").manifest.fingerprint != before
    assert visible(home) == ["tiny"]


def test_a_damaged_pack_is_not_mistaken_for_the_same_content(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    pack(tiny, tree)
    path = home / "tiny" / "test.npy"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(time, time))
    with pytest.raises(DataError, match="already, and damaged; to replace it"):
        pack(tiny, tree)
    assert pack(tiny, tree, replace=True).outcome == "replaced"


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_is_no_pack_is_never_touched(
    replace: bool, tiny: Tiny, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBENCH_DATA", str(tree.parent))
    tree = tree.rename(tree.parent / "tiny")
    with pytest.raises(DataError, match="holds files that mlbench did not make"):
        pack(tiny, tree, replace=replace)
    assert len(list(tree.rglob("*.png"))) == 12


def test_killed_while_packing_leaves_nothing_that_is_used_and_the_next_add_clears_it(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    command = [sys.executable, "-c", PACK_AND_WAIT, str(tree)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"packing\n"
        with pytest.raises(DataError, match="another process is packing or removing tiny"):
            pack(tiny, tree)
        other.send_signal(signal.SIGKILL)
    assert visible(home) == [".tiny.packing"]
    with pytest.raises(DataError, match="tiny is not packed in"):
        _ = tiny().fingerprint
    assert pack(tiny, tree).outcome == "packed"
    assert visible(home) == ["tiny"]


def test_killed_while_replacing_brings_the_former_content_back(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    pack(tiny, tree)
    (home / "tiny").rename(home / ".tiny.replaced")
    assert pack(tiny, tree).outcome == "unchanged"
    assert visible(home) == ["tiny"]


def test_an_interrupt_leaves_nothing(tiny: Tiny, tree: Path, home: Path) -> None:
    def interrupt(_: int) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(tiny, find_originals(tiny, tree), advance=interrupt)
    assert visible(home) == []


def test_a_full_disk_is_noticed_before_packing(
    tiny: Tiny, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"tiny needs .* GB are free; make room, or set MLBENCH"):
        pack(tiny, tree)


def test_a_disk_that_fills_up_while_packing_is_reported(
    tiny: Tiny, tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write to the data home .*: No space left"):
        pack(tiny, tree)
    assert visible(home) == []


def test_a_home_that_cannot_be_written_is_named(
    tiny: Tiny, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "file" / "home"))
    with pytest.raises(DataError, match=r"cannot write to the data home .*file/home: Not a dir"):
        pack(tiny, tree)


def test_images_are_counted_while_they_are_packed(tiny: Tiny, tree: Path) -> None:
    counts: list[int] = []
    add(tiny, find_originals(tiny, tree), advance=counts.append)
    assert counts == [3, 3, 3, 3]


def test_only_some_splits_can_be_packed(tiny: Tiny, tree: Path) -> None:
    shutil.rmtree(tree / "train")
    tiny.layouts = (*tiny.layouts, CLASS_FOLDERS)
    pack(tiny, tree, partial=True)
    assert tiny().split("test").class_sizes == (3,)
    assert tiny().split("train").images.shape == (0, 8, 8, 3)


def test_the_manifest_says_where_the_images_came_from(tiny: Tiny, tree: Path, home: Path) -> None:
    written = pack(tiny, tree).manifest
    assert Manifest.read(home / "tiny") == written
    assert written.root == str(tree)
    assert written.layout == "train/, val/ and test/ with a folder per class"
    assert (written.resize, written.image_size) == ("squash-bicubic", 8)
