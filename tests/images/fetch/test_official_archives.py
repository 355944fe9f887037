"""Archives that a dataset's authors published: how they make one tree."""

from __future__ import annotations

import os
import shutil
from hashlib import md5
from pathlib import Path

import pytest

from mlbench.images.fetch.download import Download
from tests.images.fetch.archives import (
    PICTURES,
    pack,
    read,
    refusal,
)


def official(path: Path, *, folder: str = "", extract: bool = True) -> Download:
    """Return the official file that a file is."""
    digest = md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    url = f"https://example.org/{path.name}"
    return Download(url=url, md5=digest, bytes=path.stat().st_size, folder=folder, extract=extract)


def test_official_files_make_one_tree(tmp_path: Path) -> None:
    one = pack(tmp_path / "jpg.tgz", {"jpg/1.jpg": b"1", "README": b"one"})
    two = pack(tmp_path / "more.zip", {"2.jpg": b"2", "README": b"two"})
    labels = tmp_path / "labels.mat"
    labels.write_bytes(b"labels")
    known = [
        official(one, folder="flowers"),
        official(two, folder="flowers/jpg"),
        official(labels, folder="flowers", extract=False),
    ]
    two = two.rename(tmp_path / "more (1).zip")
    copies = [
        Path(shutil.copy(one, tmp_path / "again.tgz")),
        Path(shutil.copy(labels, tmp_path / "again.mat")),
    ]
    tree = {
        "flowers/README": b"one",
        "flowers/jpg/1.jpg": b"1",
        "flowers/jpg/2.jpg": b"2",
        "flowers/jpg/README": b"two",
        "flowers/labels.mat": b"labels",
    }
    assert read(one, two, labels, *copies, one, labels, known=known) == [tree]
    assert read(one, labels, tmp_path, known=known)[1] == tmp_path
    assert labels.read_bytes() == b"labels"


def test_official_files_overlap_and_originals_survive_it(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_bytes(b"original")
    archive = pack(tmp_path / "a.zip", {"labels.csv": b"extracted", "x": b""})
    known = [official(labels, extract=False), official(archive)]
    assert read(labels, archive, known=known) == [{"labels.csv": b"extracted", "x": b""}]
    assert labels.read_bytes() == b"original"


def test_official_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    path = tmp_path / "labels.mat"
    path.write_bytes(b"labels")
    known = [official(path, folder="a", extract=False)]
    assert read(path, known=known) == [{"a/labels.mat": b"labels"}]


def test_some_plain_official_files_stay_where_their_like_are(tmp_path: Path) -> None:
    known = []
    for name in ("images.gz", "labels.gz"):
        (tmp_path / name).write_bytes(name.encode())
        known.append(official(tmp_path / name, folder="raw", extract=False))
    assert read(tmp_path / "images.gz", known=known) == [tmp_path / "images.gz"]
    both = [tmp_path / "images.gz", tmp_path / "labels.gz"]
    assert read(*both, known=known) == [
        {"raw/images.gz": b"images.gz", "raw/labels.gz": b"labels.gz"}
    ]
    (tmp_path / "labels.gz").write_bytes(b"compressed again")
    assert read(*both, known=known) == both


def test_the_only_folder_of_an_official_archive_is_kept(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PICTURES)
    assert read(path, known=[official(path)]) == [PICTURES]


def test_an_archive_with_an_official_name_and_other_content_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PICTURES)
    known = [official(path)]
    path.write_bytes(path.read_bytes()[:-100])
    message = refusal(path, known=known)
    assert f"{path} is damaged or another file: its md5 is " in message
    assert message.endswith(
        "get it again from https://example.org/a.zip, or extract it yourself and add the folder"
    )


def test_a_plain_file_with_an_official_name_is_refused_beside_an_official_archive(
    tmp_path: Path,
) -> None:
    path, labels = pack(tmp_path / "a.zip", PICTURES), tmp_path / "labels.mat"
    labels.write_bytes(b"labels")
    known = [official(path), official(labels, extract=False)]
    labels.write_bytes(b"others")
    message = refusal(path, labels, known=known)
    assert message.endswith("get it again from https://example.org/labels.mat")


def test_an_archive_that_is_not_in_the_list_is_extracted_by_itself(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PICTURES)
    other = pack(tmp_path / "small.zip", {"small/x/1": b""})
    assert read(path, other, known=[official(path)]) == [PICTURES, {"x/1": b""}]
