"""Image files compared with what a data set should hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlbench.errors import DataError, MisuseError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add

Draw = Callable[..., Path]
Tiny = type[PackedImages]


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
    for name, size in zip(tiny.class_names(), sizes, strict=True):
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


def test_a_path_that_does_not_exist_is_misuse(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="nowhere is not there; give the folder that holds"):
        find_originals(tiny, tmp_path / "nowhere")


def test_a_root_given_twice_counts_once(tiny: Tiny, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    originals = find_originals(tiny, tree, tmp_path / "link", tree)
    assert originals.roots == (tree,)
    assert originals.missing is None


def test_an_archive_is_named_in_place_of_the_folder_it_was_extracted_to(
    tiny: Tiny, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.zip").touch()
    (tree / "train" / "ant" / "0.png").unlink()
    originals = find_originals(tiny, tree, named=[tmp_path / "tiny.zip"])
    assert originals.roots == (tmp_path / "tiny.zip",)
    with pytest.raises(DataError, match=r"tiny\.zip holds 11 of 12 .* tiny .*tiny\.zip --partial$"):
        add(tiny, originals)


def test_an_empty_folder_is_called_empty(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty; tiny is packed from images/ with"):
        find_originals(tiny, tmp_path)


def test_an_index_without_images_names_one_that_is_absent(tiny: Tiny, table: Path) -> None:
    shutil.rmtree(table / "images")
    (table / "images").mkdir()
    with pytest.raises(DataError, match=r"but no images: .*\.png is absent; get tiny from"):
        find_originals(tiny, table)
