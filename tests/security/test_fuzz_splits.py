"""CSV listings, split files and what is typed of splits: read, or refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlbench.errors import DataError, MisuseError, MlbenchError
from mlbench.images.layouts.tables import read_csv, read_ilsvrc
from mlbench.images.pictures import FileImage
from mlbench.images.splitting import Amounts, find_part, parse_split, read_split_file

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee", "cat", "dog")
HIDDEN = "hidden.png"
WORDS = st.sampled_from(
    [*CLASSES, "ant0.png", "bee/0.png", "train", "val", "test", "filename", "label", "class",
     "split", "..", "../hidden.png", "/etc/passwd", "x" * 300, "~", "-o", "=cmd|'x'!A0", "\x1b[31m",
     "n01532829", "n0153282900000005.jpg", ""]
)  # fmt: skip
CELLS = WORDS | st.text(max_size=8) | st.builds("/".join, st.lists(WORDS, max_size=3))
LINES = st.lists(CELLS, max_size=4).map(",".join)
TEXTS = st.builds(
    lambda head, lines, end: end.join([head, *lines]),
    st.sampled_from(["filename,label", "class,split", "label , filename", "\ufefffilename,class"])
    | LINES,
    st.lists(LINES, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
)  # fmt: skip
CONTENTS = TEXTS.map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=60)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few images, outside of which lies a secret."""
    home = tmp_path_factory.mktemp("home")
    (home / HIDDEN).write_bytes(b"hidden")
    for name in CLASSES:
        (home / "data" / "images" / name).mkdir(parents=True)
        (home / "data" / "images" / name / "0.png").touch()
        (home / "data" / "images" / f"{name}0.png").touch()
    return home / "data"


@settings(max_examples=100)
@given(train=CONTENTS, test=CONTENTS)
@example(train=b"filename,label\n../hidden.png,ant\n", test=b"filename,label\n0.png,bee\n")
def test_any_listing_names_what_is_in_its_folder_or_is_refused(
    train: bytes, test: bytes, root: Path
) -> None:
    (root / "train.csv").write_bytes(train)
    (root / "test.csv").write_bytes(test)
    for read in (read_csv, read_ilsvrc):
        try:
            listing = read([root])
        except DataError:
            continue
        for pictures in listing.images.values() if listing else ():
            for each in pictures:
                assert isinstance(each, FileImage)
                assert each.path.resolve().is_relative_to(root.resolve())


@settings(max_examples=100)
@given(content=CONTENTS)
def test_any_split_file_is_read_or_refused(content: bytes, root: Path) -> None:
    file = root / "split.csv"
    file.write_bytes(content)
    try:
        assigned = read_split_file(file, CLASSES)
    except DataError:
        return
    assert set(assigned) <= set(CLASSES)
    assert set(assigned.values()) <= {"train", "validation", "test"}


TYPED = st.builds(
    "{}={}".format,
    st.sampled_from(["train", "val", "test", "rest", ""]) | st.text(max_size=5),
    st.sampled_from(["1", "0.5", "rest", "-1", "nan", "1e999999", "inf", "0x3", "１", "1_0", "."])
    | st.text(max_size=6)
    | st.integers().map(str)
    | st.decimals(allow_nan=True).map(str),
)


@settings(max_examples=100)
@given(words=st.lists(TYPED | st.text(max_size=10), max_size=4))
def test_whatever_is_typed_of_splits_is_a_split_or_misuse(words: list[str]) -> None:
    try:
        split = parse_split([",".join(words)])
        if isinstance(split, Amounts):
            assert set(split.assign(CLASSES)) <= set(CLASSES)
    except MlbenchError as refused:
        assert isinstance(refused, MisuseError)  # noqa: PT017


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 900 + "b"])
def test_a_name_that_is_too_long_for_a_file_is_refused(name: str, root: Path) -> None:
    (root / "train.csv").write_text(f"filename,label\n{name},ant\n")
    with pytest.raises(DataError, match="too long for a file"):
        read_csv([root])
    with pytest.raises(DataError, match="is not there"):
        find_part(name, [root])


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a\0b"])
def test_a_part_that_can_be_nowhere_is_not_there(name: str, root: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        find_part(name, [root])


def test_links_in_a_folder_that_is_added_are_followed(root: Path, tmp_path: Path) -> None:
    """Whoever adds a folder trusts its links: docs/security.md says so."""
    folder = tmp_path / "data"
    shutil.copytree(root, folder)
    (folder / "images" / "ant" / "1.png").symlink_to(root.parent / HIDDEN)
    (folder / "train.csv").write_text("filename,label\n1.png,ant\n")
    (folder / "test.csv").write_text("filename,label\n0.png,bee\n")
    listing = read_csv([folder])
    assert listing is not None
    assert len(listing.images["ant"]) == 1
