"""CSV files that name images of folders, and those of the whole of ImageNet by rank or by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlbench.errors import DataError
from mlbench.images.layouts import CSV, ILSVRC, Listing, tables
from mlbench.images.pictures import FileImage

Draw = Callable[..., Path]
FINCH, ROBIN = "n01532829", "n01558993"
NUMBERS = (10007, 7, 203, 1001, 20457)  # by rank: 7, 203, 1001, 10007, 20457


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take five images for a whole class of ImageNet."""
    monkeypatch.setattr(tables, "FEWEST", 5)


@pytest.fixture
def imagenet(tmp_path: Path, draw: Draw) -> Path:
    """Return a tree of two classes, named as ILSVRC2012 does."""
    for name in (FINCH, ROBIN):
        for number in NUMBERS:
            draw(tmp_path / "imagenet" / name / f"{name}_{number}.JPEG", number)
    return tmp_path / "imagenet"


def write(folder: Path, split: str, rows: Sequence[str], header: str = "filename,label") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.csv").write_text("\n".join([header, *rows]) + "\n")


def found(listing: Listing | None) -> dict[str, list[str]]:
    """Return the files of each class as folder and name."""
    assert listing is not None
    files: dict[str, list[str]] = {}
    for name, pictures in listing.images.items():
        for picture in pictures:
            assert isinstance(picture, FileImage)
            files.setdefault(name, []).append(f"{picture.path.parent.name}/{picture.path.name}")
    return files


def test_the_csv_files_say_what_is_in_which_split_not_the_folders(
    tmp_path: Path, draw: Draw
) -> None:
    for file in ("train/ant/1.png", "val/ant/2.png", "val/bee/3.png", "train/cat/4.png"):
        draw(tmp_path / file, 0)
    write(tmp_path, "train", ["3.png,bee"])
    write(tmp_path, "val", ["4.png,cat"])
    write(tmp_path, "test", ["1.png,ant", "2.png,ant"])
    listing = CSV.read([tmp_path])
    assert found(listing) == {
        "bee": ["bee/3.png"],
        "cat": ["cat/4.png"],
        "ant": ["ant/1.png", "ant/2.png"],
    }
    assert listing is not None
    assert listing.splits == {"bee": "train", "cat": "validation", "ant": "test"}
    assert listing.indexed


@pytest.mark.parametrize(
    "place", ["images", ".", "images/ant", "ant", "train", "train/ant", "test"]
)
def test_an_image_is_found_by_class_or_not_in_images_in_the_root_or_below_a_split(
    place: str, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / place / "1.png", 0)
    write(tmp_path, "train", ["1.png,ant"])
    listing = CSV.read([tmp_path])
    assert [name.rpartition("/")[2] for name in found(listing)["ant"]] == ["1.png"]


def test_a_row_may_name_a_file_below_a_folder(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "images" / "insects" / "1.png", 0)
    write(tmp_path, "train", ["insects/1.png,ant"])
    assert found(CSV.read([tmp_path])) == {"ant": ["insects/1.png"]}


def test_images_and_csv_files_may_lie_in_different_roots(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "pictures" / "images" / "1.png", 0)
    write(tmp_path / "lists", "val", ["1.png,ant", "2.png,ant"])
    for roots in (["pictures", "lists"], ["lists", "pictures"]):
        listing = CSV.read([tmp_path / root for root in roots])
        assert found(listing) == {"ant": ["images/1.png"]}
        assert listing is not None
        assert listing.splits == {"ant": "validation"}
        assert [path.name for path in listing.absent] == ["2.png"]


def test_two_folders_of_images_with_csv_files_are_taken_together(
    tmp_path: Path, draw: Draw
) -> None:
    for root, split, name in (("one", "train", "ant"), ("two", "test", "bee")):
        draw(tmp_path / root / "images" / f"{name}.png", 0)
        write(tmp_path / root, split, [f"{name}.png,{name}"])
    listing = CSV.read([tmp_path / "one", tmp_path / "two"])
    assert found(listing) == {"ant": ["images/ant.png"], "bee": ["images/bee.png"]}
    assert listing is not None
    assert listing.splits == {"ant": "train", "bee": "test"}


def test_csv_files_of_which_no_image_is_there_are_of_another_layout(tmp_path: Path) -> None:
    write(tmp_path, "train", ["1.png,ant"])
    assert CSV.read([tmp_path]) is None


def test_a_class_in_two_csv_files_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "images" / "1.png", 0)
    draw(tmp_path / "images" / "2.png", 1)
    write(tmp_path, "train", ["1.png,ant"])
    write(tmp_path, "test", ["2.png,ant"])
    with pytest.raises(DataError, match=r"class ant of .*test\.csv is in train already"):
        CSV.read([tmp_path])


def test_a_rank_is_the_place_in_the_order_of_numbers(imagenet: Path) -> None:
    """Where names are sorted as texts, 10007 is the first and 7 the last."""
    rows = [f"{FINCH}{rank:08}.jpg,{FINCH}" for rank in (1, 3, 4)]
    write(imagenet, "train", [*rows, f"{ROBIN}00000002.jpg,{ROBIN}"])
    listing = ILSVRC.read([imagenet])
    assert found(listing) == {
        FINCH: [f"{FINCH}/{FINCH}_{number}.JPEG" for number in (7, 1001, 10007)],
        ROBIN: [f"{ROBIN}/{ROBIN}_203.JPEG"],
    }
    assert listing is not None
    assert listing.indexed


def test_what_is_no_image_of_imagenet_has_no_rank(imagenet: Path, draw: Draw) -> None:
    (imagenet / FINCH / f"._{FINCH}_1.JPEG").touch()
    (imagenet / FINCH / f"{FINCH}_2.txt").touch()
    draw(imagenet / FINCH / "cover.JPEG", 0)
    draw(imagenet / FINCH / f"{FINCH}_copy.JPEG", 0)
    write(imagenet, "train", [f"{FINCH}00000001.jpg,{FINCH}"])
    assert found(ILSVRC.read([imagenet])) == {FINCH: [f"{FINCH}/{FINCH}_7.JPEG"]}


@pytest.mark.parametrize("rank", [0, 6])
def test_a_rank_beyond_the_images_is_absent(rank: int, imagenet: Path) -> None:
    write(imagenet, "train", [f"{FINCH}{rank:08}.jpg,{FINCH}", f"{FINCH}00000001.jpg,{FINCH}"])
    listing = ILSVRC.read([imagenet])
    assert listing is not None
    assert [path.name for path in listing.absent] == [f"{FINCH}{rank:08}.jpg"]
    assert listing.count == 1


def test_ranks_among_too_few_images_are_refused(imagenet: Path) -> None:
    (imagenet / FINCH / f"{FINCH}_203.JPEG").unlink()
    write(imagenet, "train", [f"{FINCH}00000001.jpg,{FINCH}"])
    with pytest.raises(DataError, match=r"has 4 images, .* ILSVRC2012 has 5 or more.*extract"):
        ILSVRC.read([imagenet])


@pytest.mark.parametrize("suffix", ["JPEG", "jpg"])
def test_an_image_may_be_called_by_its_own_name_also_among_few(suffix: str, imagenet: Path) -> None:
    shutil.rmtree(imagenet / ROBIN)
    (imagenet / FINCH / f"{FINCH}_203.JPEG").unlink()
    rows = [f"{FINCH},{FINCH}_{number}.{suffix}" for number in (20457, 7, 203)]
    write(imagenet, "val", rows, header="class_name,image_name")
    listing = ILSVRC.read([imagenet])
    assert found(listing) == {FINCH: [f"{FINCH}/{FINCH}_{n}.JPEG" for n in (20457, 7)]}
    assert listing is not None
    assert [path.name for path in listing.absent] == [f"{FINCH}_203.{suffix}"]


@pytest.mark.parametrize("tree", tables.TREES)
@pytest.mark.parametrize("beside", [True, False])
def test_the_tree_is_found_below_a_root_and_the_csv_files_may_lie_elsewhere(
    beside: bool, tree: str, imagenet: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / tree).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(imagenet, root / tree)
    write(root if beside else tmp_path / "lists", "test", [f"{ROBIN}00000005.jpg,{ROBIN}"])
    listing = ILSVRC.read([root] if beside else [tmp_path / "lists", root])
    assert found(listing) == {ROBIN: [f"{ROBIN}/{ROBIN}_20457.JPEG"]}
    assert listing is not None
    assert listing.splits == {ROBIN: "test"}


def test_a_class_without_a_folder_is_absent(imagenet: Path) -> None:
    write(imagenet, "train", [f"{FINCH}00000001.jpg,{FINCH}", "n0000000100000001.jpg,n00000001"])
    listing = ILSVRC.read([imagenet])
    assert listing is not None
    assert list(listing.images) == [FINCH]
    assert [path.name for path in listing.absent] == ["n0000000100000001.jpg"]


def test_a_tree_without_csv_files_is_of_another_layout(imagenet: Path) -> None:
    assert ILSVRC.read([imagenet]) is None


def test_class_folders_of_other_images_are_no_imagenet(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / FINCH / "1.png", 0)
    write(tmp_path, "train", [f"{FINCH}00000001.jpg,{FINCH}"])
    assert ILSVRC.read([tmp_path]) is None


def test_an_image_of_imagenet_named_twice_is_refused(imagenet: Path) -> None:
    write(imagenet, "train", [f"{FINCH}00000001.jpg,{FINCH}"] * 2)
    with pytest.raises(DataError, match=r"lists n0153282900000001\.jpg twice"):
        ILSVRC.read([imagenet])


def test_one_image_in_two_classes_is_refused_and_one_name_in_two_class_folders_is_not(
    tmp_path: Path, draw: Draw
) -> None:
    rows = "filename,label\n1.png,ant\n1.png,bee\n"
    draw(tmp_path / "images" / "ant" / "1.png", 0)
    draw(tmp_path / "images" / "bee" / "1.png", 1)
    (tmp_path / "train.csv").write_text(rows)
    listing = CSV.read([tmp_path])
    assert listing is not None
    assert [str(name) for name in listing.images] == ["ant", "bee"]
    draw(tmp_path / "images" / "1.png", 2)
    flat = CSV.read([tmp_path])
    assert flat is not None
    with pytest.raises(DataError, match=r"1\.png is of class bee, and of ant already"):
        flat.count_once()
