"""A user's own images: any class folders, under any name, with a split of their choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from mlbench.contract import SPLITS, Dataset, Stream
from mlbench.errors import DataError, MisuseError
from mlbench.images import PackedImages
from mlbench.images.home import own_names
from mlbench.images.own import find_own, load_own
from mlbench.images.pack import Manifest
from mlbench.images.packing import Added, add
from mlbench.images.splitting import parse_split
from mlbench.registry import load_dataset

Draw = Callable[..., Path]
NAMES = ("cat", "dog", "emu", "fox", "gnu", "hen")


@pytest.fixture
def pets(tmp_path: Path, draw: Draw) -> Path:
    """Return six class folders of three images each."""
    for seed, name in enumerate(NAMES):
        for number in range(3):
            draw(tmp_path / "pets" / name / f"{number}.png", 10 * seed + number)
    return tmp_path / "pets"


def pack(
    *roots: Path, split: str = "", split_file: Path | None = None, replace: bool = False
) -> Added:
    chosen = parse_split([split] if split else [])
    data, originals = find_own("pets", roots, chosen, split_file)
    return add(data, originals, replace=replace)


def members() -> dict[str, Sequence[str]]:
    data = load_own("pets")()
    return {split: data.split(split).class_names for split in SPLITS}


def opened() -> PackedImages:
    data = load_dataset("pets")()
    assert isinstance(data, PackedImages)
    return data


def test_own_images_are_a_data_set_like_any_other(pets: Path) -> None:
    manifest = pack(pets, split="train=3,val=1,test=rest").manifest
    assert own_names() == ["pets"]
    assert (manifest.own, manifest.missing, manifest.count) == (True, None, 18)
    data = opened()
    assert (data.name, data.incomplete, data.input_shape) == ("pets", None, (3, 84, 84))
    assert [data.split(split).count for split in SPLITS] == [9, 3, 6]
    stream = Stream(fingerprint=data.fingerprint, split="train", ways=3, shots=1, queries=2, seed=0)
    data.check(stream)
    tasks = data.draw(stream, 0, 2, device=torch.device("cpu"), dtype=torch.float32)
    assert tasks.query.x.shape == (2, 6, 3, 84, 84)


def test_classes_that_no_split_asks_for_are_left_out(pets: Path) -> None:
    manifest = pack(pets, split="train=2,test=1").manifest
    assert [len(manifest.sizes(split)) for split in SPLITS] == [2, 0, 1]
    assert len(manifest.classes) == 3
    assert manifest.missing is None
    stream = Stream(fingerprint="f", split="validation", ways=2, shots=1, queries=1, seed=0)
    with pytest.raises(
        MisuseError, match="pets has no validation classes; a run that trains on it needs some"
    ):
        opened().check(stream)


def test_a_file_says_which_class_is_for_what(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("class,split\nhen,train\ncat,train\nemu,val\ngnu,test\n")
    manifest = pack(pets, split_file=tmp_path / "mine.csv").manifest
    assert manifest.split.rule == "by mine.csv"
    assert members() == {"train": ("cat", "hen"), "validation": ("emu",), "test": ("gnu",)}


def test_folders_named_as_splits_need_no_further_words(pets: Path, tmp_path: Path) -> None:
    for name, folder in (("cat", "train"), ("dog", "val"), ("emu", "test")):
        (tmp_path / "trees" / folder).mkdir(parents=True)
        (pets / name).rename(tmp_path / "trees" / folder / name)
    manifest = pack(tmp_path / "trees").manifest
    assert manifest.split.rule == "as its folders or CSV files have it"
    assert manifest.layout == "train/, val/ and test/ with a folder per class"
    assert members() == {"train": ("cat",), "validation": ("dog",), "test": ("emu",)}


def test_csv_files_named_as_splits_need_no_further_words(tmp_path: Path, draw: Draw) -> None:
    for seed, (split, name) in enumerate((("train", "cat"), ("test", "dog"))):
        draw(tmp_path / "table" / "images" / f"{name}.png", seed)
        (tmp_path / "table" / f"{split}.csv").write_text(f"filename,label\n{name}.png,{name}\n")
    assert pack(tmp_path / "table").manifest.missing is None
    assert members() == {"train": ("cat",), "validation": (), "test": ("dog",)}


def test_images_that_a_csv_file_lists_in_vain_need_leave(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "table" / "images" / "cat.png", 0)
    text = "filename,label\ncat.png,cat\ngone.png,cat\n"
    (tmp_path / "table" / "train.csv").write_text(text)
    data, originals = find_own("pets", [tmp_path / "table"], None, None)
    with pytest.raises(
        DataError, match=r"holds 1 of 2 images \(.*gone\.png is listed and absent\), so pets"
    ):
        add(data, originals)
    assert add(data, originals, partial=True).manifest.missing == "1 of 2 images"


def test_folders_and_csv_files_are_parts_of_splits(pets: Path, tmp_path: Path, draw: Draw) -> None:
    for name, folder in (("cat", "furry"), ("dog", "furry"), ("emu", "feathered"), ("gnu", "wild")):
        (pets / folder).mkdir(exist_ok=True)
        (pets / name).rename(pets / folder / name)
    draw(pets / "images" / "owl.png", 1)
    (pets / "owls.csv").write_text("filename,label\nowl.png,owl\n")
    manifest = pack(pets, split="train=furry,train=owls.csv,val=wild,test=feathered").manifest
    assert members() == {"train": ("cat", "dog", "owl"), "validation": ("gnu",), "test": ("emu",)}
    assert manifest.count == 13


def test_several_roots_are_taken_together(pets: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "more" / "owl" / "0.png", 77)
    draw(tmp_path / "more" / "cat" / "9.png", 78)
    manifest = pack(pets, tmp_path / "more", split="train=rest").manifest
    assert {each.name: each.count for each in manifest.classes} == {
        "cat": 4,
        **dict.fromkeys(NAMES[1:], 3),
        "owl": 1,
    }
    assert manifest.roots == (str(pets), str(tmp_path / "more"))


def test_another_split_of_the_same_images_is_other_content(pets: Path) -> None:
    """No plugin says how they are split, so that the pack must."""
    first = pack(pets, split="train=3,val=1,test=2").manifest
    before = opened().fingerprint
    with pytest.raises(DataError, match=r"pets is packed in .* already, with other content"):
        pack(pets, split="train=2,val=2,test=2")
    second = pack(pets, split="train=2,val=2,test=2", replace=True).manifest
    assert first.fingerprint != second.fingerprint
    assert opened().fingerprint != before


def test_the_same_split_said_otherwise_changes_nothing(pets: Path) -> None:
    pack(pets, split="train=3,val=1,test=2")
    assert pack(pets, split="train=0.5,val=1,test=rest").outcome == "unchanged"


def test_an_edited_split_is_noticed(pets: Path, home: Path) -> None:
    pack(pets, split="train=3,val=1,test=2")
    path = home / "pets" / "manifest.json"
    fields = json.loads(path.read_text())
    fields["split"]["splits"] = dict.fromkeys(NAMES, "train")
    path.write_text(json.dumps(fields))
    with pytest.raises(DataError, match=r"manifest\.json was changed after packing"):
        Manifest.read(home / "pets")


def test_the_command_that_packs_these_data_again_has_the_split_as_it_was_given(
    pets: Path,
) -> None:
    words = ("--split", "train=rest")
    data, originals = find_own("pets", [pets], parse_split(["train=rest"]), None, words=words)
    manifest = add(data, originals).manifest
    assert manifest.add_command == f"mlbench data add pets {pets} --split train=rest --replace"
    assert load_own("pets").split_words == words


def test_classes_of_no_split_are_told(pets: Path) -> None:
    _, originals = find_own("pets", [pets], parse_split(["train=2"]), None)
    assert len(originals.unused) > 0
    assert not set(originals.unused) & set(originals.listing.images)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"own": 3', "\x00"])
def test_a_damaged_manifest_is_nobodys_own(text: str, pets: Path, home: Path) -> None:
    pack(pets, split="train=rest")
    (home / "pets" / "manifest.json").write_text(text)
    assert own_names() == []


def test_class_folders_without_a_split_are_refused_with_what_to_say(pets: Path) -> None:
    with pytest.raises(
        MisuseError, match="'pets' is no data set that mlbench knows; to pack one o"
    ):
        pack(pets)


@pytest.mark.parametrize(
    ("split", "error", "message"),
    [
        ("train=5,test=2", MisuseError, "--split asks for 7 classes, and there are 6; ask for few"),
        ("train=cats,test=dogs", DataError, "--split names cats, which is not there; looked for"),
        ("train=cat,test=dog", DataError, "pets/cat holds no folders of images; give a folder of"),
    ],
)
def test_a_split_that_does_not_fit_is_refused_in_one_line(
    split: str, error: type[Exception], message: str, pets: Path, home: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        pack(pets, split=split)
    assert "\n" not in str(caught.value)
    assert not (home / "pets").exists()


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.mp3").touch()
    for split in ("train=1", "train=rest", ""):
        with pytest.raises((DataError, MisuseError)) as caught:
            pack(tmp_path / "music", split=split)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "reason"), [((), "is empty"), (("song.mp3",), "is of another layout")]
)
def test_a_split_of_nothing_is_not_called_a_split_of_too_few(
    files: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "music").mkdir()
    for file in files:
        (tmp_path / "music" / file).touch()
    with pytest.raises(DataError, match=f"music {reason}; pets is packed from a folder per class"):
        pack(tmp_path / "music", split="train=1")


def test_a_root_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="nowhere is not there; give the folder that holds your"):
        pack(tmp_path / "nowhere", split="train=rest")


def test_a_class_of_own_images_has_a_line_of_help(pets: Path) -> None:
    pack(pets, split="train=rest")
    data: type[Dataset] = load_own("pets")
    assert data.__doc__ == (
        "Images of the user's own, split by amounts (train rest) in the order of hashed names."
    )
