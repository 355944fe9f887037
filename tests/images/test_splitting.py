"""Which classes are for what: amounts, shares, parts, and files that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.errors import DataError, MisuseError
from mlbench.images.layouts import Listing
from mlbench.images.splitting import Amounts, Parts, parse_split, read_split_file

Draw = Callable[..., Path]
NAMES = ["ant", "bee", "cat", "dog", "emu", "fox", "gnu", "hen", "ibis", "jay"]
ORDER = ["bee", "ant", "fox", "cat", "gnu", "ibis", "jay", "dog", "hen", "emu"]


def parsed(*texts: str) -> Amounts:
    split = parse_split(texts)
    assert isinstance(split, Amounts)
    return split


def counts(split: Amounts, names: Sequence[str]) -> tuple[int, int, int]:
    """Return how many classes each split gets."""
    found = Counter(split.assign(names).values())
    return found["train"], found["validation"], found["test"]


def test_the_order_of_classes_is_pinned_on_every_machine() -> None:
    """Results that were published must be repeatable elsewhere, years later."""
    assigned = parsed("train=5,val=2,test=rest").assign(NAMES)
    assert list(assigned) == ORDER
    assert list(assigned.values()) == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3


@given(st.permutations(NAMES))
def test_the_order_in_which_classes_are_found_decides_nothing(names: list[str]) -> None:
    split = parsed("train=0.5,val=0.2,test=rest")
    assert split.assign(names) == split.assign(NAMES)


@given(fewer=st.integers(0, 10), names=st.permutations(NAMES))
def test_a_class_keeps_its_place_when_others_leave(fewer: int, names: list[str]) -> None:
    rest = names[fewer:]
    order = [name for name in ORDER if name in rest]
    assert list(parsed("train=rest").assign(rest)) == order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train=5,val=2,test=3", (5, 2, 3)),
        ("train=5,val=2,test=rest", (5, 2, 3)),
        ("train=rest,val=2,test=3", (5, 2, 3)),
        ("train=3,test=2", (3, 0, 2)),
        ("test=4,train=3", (3, 0, 4)),
        ("test=rest", (0, 0, 10)),
        ("train=10,test=rest", (10, 0, 0)),
        ("train=0.5,val=0.2,test=0.3", (5, 2, 3)),
        ("train=0.64,val=0.16,test=rest", (6, 2, 2)),
        ("train=.25,test=.25", (2, 0, 3)),
        ("train=0.5,val=1,test=rest", (5, 1, 4)),
        ("train=0,test=rest", (0, 0, 10)),
        (" train = 5 , validation = 2 , test = rest ", (5, 2, 3)),
    ],
)
def test_amounts_shares_and_the_rest(text: str, expected: tuple[int, int, int]) -> None:
    assert counts(parsed(text), NAMES) == expected


def test_a_split_may_be_given_in_several_options() -> None:
    together, apart = parsed("train=5,test=3"), parsed("train=5", "test=3")
    assert together == apart
    assert parse_split([]) is None


@given(
    parts=st.tuples(*[st.integers(0, 100)] * 3).filter(lambda parts: sum(parts) > 0),
    count=st.integers(0, 300),
)
def test_shares_that_make_a_whole_take_every_class_once(
    parts: tuple[int, int, int], count: int
) -> None:
    whole = Decimal(10) ** 6
    shares = [(Decimal(part) / sum(parts)).quantize(1 / whole) for part in parts[:2]]
    names = [f"class {number}" for number in range(count)]
    last = 1 - sum(shares, Decimal(0))
    split = Amounts({"train": shares[0], "validation": shares[1], "test": last})
    if max(*shares, last) >= 1 or last < 0:
        return
    found = counts(split, names)
    assert sum(found) == count
    for share, number in zip((*shares, last), found, strict=True):
        assert abs(number - share * count) <= 1


def test_the_rule_is_told_in_words() -> None:
    assert parsed("train=0.5,val=2,test=rest").rule == (
        "by amounts (train 0.5, validation 2, test rest) in the order of hashed names"
    )


@pytest.mark.parametrize("text", ["train=9,test=2", "train=0.9,val=2", "train=11"])
def test_more_classes_than_there_are_are_refused(text: str) -> None:
    with pytest.raises(
        MisuseError, match=r"--split asks for 11 classes, and there are 10; ask for"
    ):
        parsed(text).assign(NAMES)


def test_shares_of_more_than_all_are_refused() -> None:
    with pytest.raises(MisuseError, match=r"shares that add up to 1\.4; make that 1 or less"):
        parsed("train=0.9,test=0.5").assign(NAMES)


FORM = r"--split takes train=64,val=16,test=20, as shares .*; '.*' is none of these"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORM),
        ("train", FORM),
        ("train=", FORM),
        ("=5", FORM),
        ("train=5,", FORM),
        ("practice=5", FORM),
        ("Train=5", FORM),
        ("train=-1,test=2", "--split cannot take -1; take a whole number, or a share below 1"),
        ("train=1.5,test=2", "cannot take 1.5"),
        ("train=1.0,test=2", "cannot take 1.0"),
        ("train=1e1,test=2", "cannot take 1e1"),
        ("train=nan,test=2", "cannot take nan"),
        ("train=Infinity,test=2", "cannot take Infinity"),
        ("train=5,train=3,test=2", "--split gives train 5 and 3; give every split one number, or"),
        ("train=5,test=folder", "--split gives test folder; give every split one number, or"),
        ("train=folder,test=rest", "--split gives train folder; give every split one number, or"),
        ("train=rest,test=rest", "--split gives rest to two splits; give one of them a number"),
        ("train=rest,train=rest", "--split gives train rest and rest; give every split one"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(MisuseError, match=message) as caught:
        parse_split([text])
    assert "\n" not in str(caught.value)


@pytest.fixture
def zoo(tmp_path: Path, draw: Draw) -> Path:
    """Return folders of class folders, and CSV files beside images of two more."""
    for file in ("farm/cow/1.png", "farm/hen/1.png", "farm/hen/2.png", "wild/emu/1.png"):
        draw(tmp_path / "zoo" / file, 0)
    for name in ("owl", "jay"):
        draw(tmp_path / "zoo" / "images" / f"{name}.png", 0)
        (tmp_path / "zoo" / f"{name}s.csv").write_text(f"filename,label\n{name}.png,{name}\n")
    return tmp_path / "zoo"


def parts(*texts: str) -> Parts:
    split = parse_split(texts)
    assert isinstance(split, Parts)
    return split


def members(listing: Listing) -> dict[str, list[str]]:
    """Return the classes of each split, each as often as it has images."""
    found: dict[str, list[str]] = {}
    for name, pictures in sorted(listing.images.items()):
        found.setdefault(listing.splits[name], []).extend([name] * len(pictures))
    return found


def test_folders_of_class_folders_are_splits(zoo: Path) -> None:
    listing = parts("train=farm,test=wild").listing([zoo])
    assert members(listing) == {"train": ["cow", "hen", "hen"], "test": ["emu"]}


def test_csv_files_are_splits_of_the_images_beside_them(zoo: Path) -> None:
    listing = parts("train=owls.csv,val=jays.csv").listing([zoo])
    assert members(listing) == {"train": ["owl"], "validation": ["jay"]}
    assert listing.indexed


def test_several_parts_make_one_split(zoo: Path) -> None:
    listing = parts("train=farm,train=owls.csv,test=wild", "test=jays.csv").listing([zoo])
    assert members(listing) == {"train": ["cow", "hen", "hen", "owl"], "test": ["emu", "jay"]}


def test_a_part_named_twice_counts_once(zoo: Path) -> None:
    listing = parts("train=farm,train=./farm").listing([zoo])
    assert members(listing) == {"train": ["cow", "hen", "hen"]}


def test_parts_lie_in_any_root_here_or_where_a_whole_path_says(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Draw
) -> None:
    (zoo / "wild").rename(tmp_path / "wild")
    assert members(parts("test=wild").listing([zoo, tmp_path])) == {"test": ["emu"]}
    assert members(parts(f"test={tmp_path / 'wild'}").listing([zoo])) == {"test": ["emu"]}
    monkeypatch.chdir(tmp_path)
    assert members(parts("test=wild").listing([zoo])) == {"test": ["emu"]}


def test_images_of_a_csv_file_may_lie_in_another_root(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (zoo / "owls.csv").rename(tmp_path / "lists" / "owls.csv")
    for text in ("train=owls.csv", f"train={tmp_path / 'lists' / 'owls.csv'}"):
        assert members(parts(text).listing([tmp_path / "lists", zoo])) == {"train": ["owl"]}


def test_images_that_a_csv_file_lists_in_vain_are_remembered(zoo: Path) -> None:
    (zoo / "owls.csv").write_text("filename,label\nowl.png,owl\ngone.png,owl\n")
    listing = parts("train=owls.csv").listing([zoo])
    assert [path.name for path in listing.absent] == ["gone.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train=nowhere", "--split names nowhere, which is not there; looked for it in .*zoo and"),
        ("train=farm/cow", "farm/cow holds no folders of images; give a folder of class folders"),
        (
            "train=farm,test=farm",
            "class cow of .*farm is in train already; the splits must have no",
        ),
        ("train=farm/cow/1.png", r"1\.png is no CSV file|1\.png has the columns"),
    ],
)
def test_parts_that_make_no_sense_are_refused_in_one_line(
    text: str, message: str, zoo: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parts(text).listing([zoo])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "header", ["class,split", "label,split", "class_name,split", "n,split,class"]
)
def test_a_file_says_the_split_of_each_class(header: str, tmp_path: Path) -> None:
    rows = {"ant": "train", "bee": "validation", "cat": "val", "dog": "test"}
    place = "{0},{1}" if header != "n,split,class" else "7,{1},{0}"
    lines = [header, *(place.format(name, word) for name, word in rows.items())]
    (tmp_path / "split.csv").write_text("\n".join(lines))
    assert read_split_file(tmp_path / "split.csv", NAMES) == {
        "ant": "train",
        "bee": "validation",
        "cat": "validation",
        "dog": "test",
    }


def test_a_file_may_say_the_same_twice(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("class,split\nant,val\nant,validation\n")
    assert read_split_file(tmp_path / "split.csv", NAMES) == {"ant": "validation"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,split\nant,practice\n", "puts ant into 'practice'; it must be train, val or test"),
        ("class,split\nyak,train\n", "names class yak, which has no images; take the line out"),
        ("class,split\nant,train\nant,test\n", "puts ant into two splits; take one of the lines"),
        ("class,split\n", "names no class; it needs lines of the form CLASS,train"),
        ("class,split\nant\n", "line 2, lacks class or split"),
        ("name,use\nant,train\n", "has the columns name, use; it needs class and split or"),
        ("", r"has the columns \(none\)"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match=rf"split\.csv.* {message}") as caught:
        read_split_file(tmp_path / "split.csv", NAMES)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(
        MisuseError, match=r"--split-file .*gone\.csv is not there; give a CSV file"
    ):
        read_split_file(tmp_path / "gone.csv", NAMES)
