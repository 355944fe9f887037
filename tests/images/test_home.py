"""The data home: whatever happens, a name stands for a whole data set or for nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.home import remove_pack
from mlbench.images.originals import find_originals
from mlbench.images.packing import Added, add

Draw = Callable[..., Path]
Tiny = type[PackedImages]


PACK_AND_WAIT = """
import sys
from pathlib import Path
from mlbench.images import PackedImages
from mlbench.images.layouts import SPLIT_TREES
from mlbench.images.originals import find_originals
from mlbench.images.packed import ClassSplit
from mlbench.images.packing import add

class Tiny(PackedImages):
    name = "tiny"
    obtain = licence = "this test"
    layouts = (SPLIT_TREES,)
    classes = {"ant": "train", "bee": "train", "cat": "validation", "dog": "test"}
    class_splits = (ClassSplit("ours", "this test", classes),)
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


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_is_no_pack_is_never_touched(
    replace: bool, tiny: Tiny, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBENCH_DATA", str(tree.parent))
    tree = tree.rename(tree.parent / "tiny")
    with pytest.raises(DataError, match="holds files that mlbench did not make"):
        pack(tiny, tree, replace=replace)
    assert len(list(tree.rglob("*.png"))) == 12


@pytest.mark.slow
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
    tiny: Tiny, tree: Path, home: Path, draw: Draw
) -> None:
    before = pack(tiny, tree).manifest
    original = (tree / "test" / "dog" / "0.png").read_bytes()
    draw(tree / "test" / "dog" / "0.png", 1234)
    rename = Path.rename

    def die(self: Path, target: Path) -> Path:
        if self.name == ".tiny.packing":
            raise KeyboardInterrupt
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            pack(tiny, tree, replace=True)
    assert visible(home) == [".tiny.replaced"]
    (tree / "test" / "dog" / "0.png").write_bytes(original)
    assert pack(tiny, tree) == (before, "unchanged")
    assert visible(home) == ["tiny"]


def test_killed_while_removing_does_not_bring_the_content_back(
    tiny: Tiny, tree: Path, home: Path
) -> None:
    pack(tiny, tree)

    def die(_: Path) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            remove_pack("tiny")
    assert visible(home) == [".tiny.removed"]
    assert pack(tiny, tree).outcome == "packed"
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
