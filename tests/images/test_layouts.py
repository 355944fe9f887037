"""What each layout reads from a folder, and what it leaves to others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlbench.errors import DataError
from mlbench.images.layouts import (
    CACHE_PICKLES,
    CATEGORY_PICKLES,
    CLASS_FOLDERS,
    CSV,
    ILSVRC,
    OFFICIAL_CUB,
    SPLIT_TREES,
    Layout,
    Listing,
)
from mlbench.images.pictures import FileImage, Picture

Draw = Callable[..., Path]
LAYOUTS = (SPLIT_TREES, CLASS_FOLDERS, OFFICIAL_CUB)


def names(listing: Listing | None) -> dict[str, list[str]]:
    assert listing is not None
    return {name: sorted(map(file_name, files)) for name, files in listing.images.items()}


def file_name(picture: Picture) -> str:
    assert isinstance(picture, FileImage)
    return picture.path.name


def official(root: Path, draw: Draw) -> Path:
    draw(root / "images" / "001.Ant" / "a.png", 0)
    draw(root / "images" / "001.Ant" / "b.png", 1)
    draw(root / "images" / "002.Bee" / "c.png", 2)
    (root / "images.txt").write_text("1 001.Ant/a.png\n2 001.Ant/b.png\n3 002.Bee/c.png\n")
    (root / "classes.txt").write_text("1 001.Ant\n2 002.Bee\n")
    (root / "image_class_labels.txt").write_text("1 1\n2 1\n3 2\n")
    return root


@pytest.mark.parametrize(
    "rows",
    [
        "filename,label\na.png,ant\nb.png,bee\n",
        "filename,class\na.png,ant\nb.png,bee\n",
        "class_name,image_name\nant,a.png\nbee,b.png\n",
        "\ufefffilename,label\na.png,ant\nb.png,bee\n",
        ",filename,label\n0,a.png,ant\n1, b.png ,bee\n",
        "filename ,  label \na.png,ant\nb.png,bee\n",
    ],
    ids=["label", "class", "class_name", "byte order mark", "row numbers", "spaces"],
)
def test_every_known_header_of_a_csv_file_reads_the_same(
    rows: str, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "images" / "a.png", 0)
    draw(tmp_path / "images" / "b.png", 1)
    (tmp_path / "train.csv").write_text(rows, encoding="utf-8")
    listing = CSV.read([tmp_path])
    assert names(listing) == {"ant": ["a.png"], "bee": ["b.png"]}
    assert listing is not None
    assert listing.splits == {"ant": "train", "bee": "train"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("picture,kind\na.png,ant\n", r"columns picture, kind; it needs filename and label or"),
        ("", r"columns \(none\)"),
        ("filename,label\na.png\n", r"line 2, lacks filename or label"),
        ("filename,label\na.png,ant\na.png,ant\n", r"lists a\.png twice"),
        (b"filename,label\n\xff\xfe,ant\n", r"is no CSV file"),
    ],
    ids=["header", "empty", "field", "twice", "not text"],
)
def test_a_csv_file_that_makes_no_sense_is_named_with_the_reason(
    rows: str | bytes, message: str, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "images" / "a.png", 0)
    (tmp_path / "test.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    with pytest.raises(DataError, match=message) as caught:
        CSV.read([tmp_path])
    assert "test.csv" in str(caught.value)


def test_a_class_in_two_splits_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "ant" / "a.png", 0)
    draw(tmp_path / "test" / "ant" / "b.png", 1)
    with pytest.raises(DataError, match=r"class ant of .*test is in train already"):
        SPLIT_TREES.read([tmp_path])


def test_files_that_a_csv_lists_in_vain_are_remembered(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "images" / "a.png", 0)
    (tmp_path / "val.csv").write_text("filename,label\na.png,ant\ngone.png,ant\n")
    listing = CSV.read([tmp_path])
    assert names(listing) == {"ant": ["a.png"]}
    assert listing is not None
    assert [file.name for file in listing.absent] == ["gone.png"]


def test_hidden_files_and_other_files_are_no_images(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "validation" / "ant" / "a.PNG", 0)
    (tmp_path / "validation" / "ant" / "._a.png").touch()
    (tmp_path / "validation" / "ant" / "notes.txt").touch()
    (tmp_path / "validation" / ".cache").mkdir()
    (tmp_path / "validation" / "empty").mkdir()
    assert names(SPLIT_TREES.read([tmp_path])) == {"ant": ["a.PNG"]}


def test_class_folders_may_lie_in_images_or_in_the_root(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "images" / "ant" / "a.png", 0)
    assert names(CLASS_FOLDERS.read([tmp_path])) == names(CLASS_FOLDERS.read([tmp_path / "images"]))


def test_the_official_tree_or_the_folder_that_holds_it_is_read(tmp_path: Path, draw: Draw) -> None:
    tree = official(tmp_path / "CUB_200_2011", draw)
    expected = {"001.Ant": ["a.png", "b.png"], "002.Bee": ["c.png"]}
    assert names(OFFICIAL_CUB.read([tree])) == names(OFFICIAL_CUB.read([tmp_path])) == expected


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("image_class_labels.txt", "1 1\n2 1\n", "lists image 3, which"),
        ("classes.txt", "1\n", r"classes\.txt, line 1, is not of the form"),
        ("classes.txt", None, r"classes\.txt is absent or damaged"),
    ],
    ids=["label", "line", "file"],
)
def test_an_official_tree_with_a_hole_in_its_index_is_refused(
    file: str, text: str | None, message: str, tmp_path: Path, draw: Draw
) -> None:
    tree = official(tmp_path, draw)
    if text is None:
        (tree / file).unlink()
    else:
        (tree / file).write_text(text)
    with pytest.raises(DataError, match=message):
        OFFICIAL_CUB.read([tree])


def test_two_roots_of_class_folders_are_taken_together(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "one" / "ant" / "a.png", 0)
    draw(tmp_path / "two" / "images" / "ant" / "b.png", 1)
    draw(tmp_path / "two" / "images" / "bee" / "c.png", 2)
    roots = [tmp_path / "one", tmp_path / "two"]
    assert names(CLASS_FOLDERS.read(roots)) == {"ant": ["a.png", "b.png"], "bee": ["c.png"]}


def test_a_folder_reached_twice_counts_once(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "one" / "images" / "ant" / "a.png", 0)
    roots = [tmp_path / "one", tmp_path / "one" / "images"]
    assert names(CLASS_FOLDERS.read(roots)) == {"ant": ["a.png"]}


def test_two_roots_that_put_a_class_into_different_splits_are_refused(
    tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "one" / "train" / "ant" / "a.png", 0)
    draw(tmp_path / "two" / "test" / "ant" / "b.png", 1)
    with pytest.raises(DataError, match=r"class ant of .*two is in train already"):
        SPLIT_TREES.read([tmp_path / "one", tmp_path / "two"])


def test_the_official_tree_has_a_box_of_each_image(tmp_path: Path, draw: Draw) -> None:
    tree = official(tmp_path, draw)
    (tree / "bounding_boxes.txt").write_text("1 1.0 2.0 3.0 4.0\n3 0.0 0.5 10.0 20.0\n")
    listing = OFFICIAL_CUB.read([tree])
    assert listing is not None
    boxes = {file_name(each): each.box for some in listing.images.values() for each in some}
    assert boxes == {"a.png": (1.0, 2.0, 3.0, 4.0), "b.png": None, "c.png": (0.0, 0.5, 10.0, 20.0)}


@pytest.mark.parametrize("box", ["1 2 3", "1 2 3 wide", "1 2 3 4 5"])
def test_a_box_that_is_not_four_numbers_is_refused(box: str, tmp_path: Path, draw: Draw) -> None:
    tree = official(tmp_path, draw)
    (tree / "bounding_boxes.txt").write_text(f"1 0 0 1 1\n2 {box}\n")
    with pytest.raises(
        DataError, match=r"bounding_boxes\.txt gives image 2 the box .*four numbers"
    ):
        OFFICIAL_CUB.read([tree])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_two_roots_of_which_one_is_of_another_kind_are_left_to_other_layouts(
    layout: Layout, tmp_path: Path, draw: Draw
) -> None:
    official(tmp_path / "one", draw)
    (tmp_path / "two").mkdir()
    for split in ("train", "val"):
        draw(tmp_path / "one" / split / split / "a.png", 0)
    assert layout.read([tmp_path / "one"]) is not None
    assert layout.read([tmp_path / "one", tmp_path / "two"]) is None


@pytest.mark.parametrize(
    "layout", [*LAYOUTS, CSV, ILSVRC, CACHE_PICKLES, CATEGORY_PICKLES], ids=lambda each: each.name
)
def test_a_folder_of_another_kind_is_left_to_other_layouts(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.mp3").touch()
    assert layout.read([tmp_path]) is None


@pytest.mark.parametrize("place", ["/etc/a.png", "../a.png", "b/../../a.png"])
def test_a_table_names_nothing_outside_the_folder_that_is_added(
    place: str, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "a.png", 0)
    draw(tmp_path / "root" / "images" / "b" / "b.png", 0)
    (tmp_path / "root" / "train.csv").write_text(f"filename,label\n{place},ant\n")
    with pytest.raises(DataError, match=r"train\.csv names '.*a\.png', which is outside"):
        CSV.read([tmp_path / "root"])


def test_a_folder_whose_name_is_no_text_is_named(tmp_path: Path, draw: Draw) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xff")
    folder.mkdir()
    draw(folder / "a.png", 0)
    with pytest.raises(DataError, match="has a name that is not UTF-8; rename the folder"):
        CLASS_FOLDERS.read([tmp_path])
