"""Archives in the place of folders: what they hold."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlbench.images import PackedImages
from mlbench.images.fetch.archives import extracted
from mlbench.images.fetch.extraction import Zip
from mlbench.images.home import data_home
from mlbench.images.originals import find_originals
from mlbench.images.packing import add
from tests.images.fetch.archives import (
    FORMS,
    PICTURES,
    below,
    left,
    pack,
    pack_members,
    plain,
    read,
    refusal,
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["", ".upload"])
def test_an_archive_is_known_by_its_content_and_extracted(
    form: str, suffix: str, tmp_path: Path
) -> None:
    path = pack(tmp_path / f"a.{form}", PICTURES)
    path = path.rename(tmp_path / f"a.{form}{suffix}")
    inner = {name.removeprefix("pets/"): content for name, content in PICTURES.items()}
    assert read(path) == [inner]
    assert left() == []


def test_other_paths_stay_as_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    shutil.copy(tmp_path / "a.npz", tmp_path / "arrays.zip")
    pack(tmp_path / "b.zip", PICTURES).rename(tmp_path / "b.pkl")
    for name, content in {"c.csv": b"a,b", "zeros.bin": bytes(4096), "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"no tar"))
    (tmp_path / "folder").mkdir()
    paths = [path for path in sorted(tmp_path.iterdir()) if path != data_home()]
    paths.append(tmp_path / "absent")
    with extracted("tiny", (), paths, lambda _: None) as roots:
        assert roots == tuple(paths)
    assert not data_home().exists()


def test_folders_and_archives_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    one = pack(tmp_path / "one.zip", {"train.csv": b"1"})
    two = pack(tmp_path / "sub" / "one.zip", {"test.csv": b"2"})
    expected = [{"train.csv": b"1"}, tmp_path / "folder", {"test.csv": b"2"}]
    assert read(one, tmp_path / "folder", two) == expected


@pytest.mark.parametrize(
    ("files", "root"),
    [
        (["pets/cat/1.png", "pets/dog/1.png"], "pets"),
        (["pets/cat/1.png", "__MACOSX/pets/._1.png", ".DS_Store"], "pets"),
        (["caches/mini-imagenet-cache-train.pkl"], "caches"),
        (["cat/1.png", "cat/2.JPG"], "all"),
        (["train/cat/1.png"], "all"),
        (["pets/cat/1.png", "train.csv"], "all"),
        (["1.png"], "all"),
    ],
)
def test_the_only_folder_in_an_archive_of_ones_own_is_entered_unless_it_means_something(
    files: list[str], root: str, tmp_path: Path
) -> None:
    path = pack(tmp_path / "all.v1.zip", dict.fromkeys(files, b""))
    with extracted("tiny", (), [path], lambda _: None) as roots:
        assert roots[0].name == root


def test_what_is_lent_goes_even_if_it_was_used_in_vain(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PICTURES)

    def interrupt() -> None:
        with extracted("tiny", (), [path], lambda _: None):
            assert left() == [".tiny.extracting"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert left() == []


def test_what_is_extracted_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    path = pack(tmp_path / "a.zip", PICTURES)
    with extracted("tiny", (), [path], said.append):
        assert said == [f"extracting {path}"]


def test_a_tar_file_whose_last_member_is_a_zip_file_is_a_tar_file(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"a": b""}).read_bytes()
    path = pack(tmp_path / "outer.tar", {"inner.zip": inner})
    assert read(path) == [{"inner.zip": inner}]


def test_folders_are_members_too(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("./pets")
    folder.type, folder.mode = tarfile.DIRTYPE, 0
    dot = tarfile.TarInfo("./")
    dot.type = tarfile.DIRTYPE
    path = pack_members(tmp_path / "a.tar", [(dot, b""), (folder, b""), plain("./pets/a", b"a")])
    assert read(path) == [{"a": b"a"}]


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip", PICTURES)

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", fail)
    assert refusal(path) == f"{path} cannot be read (Permission denied); make it readable"


@pytest.mark.parametrize("form", ["zip", "tar.xz"])
def test_images_are_packed_from_an_archive_as_from_its_folder(
    form: str, tiny: type[PackedImages], tree: Path, tmp_path: Path
) -> None:
    path = pack(tmp_path / f"a.{form}", below(tree))
    before = add(tiny, find_originals(tiny, tree)).manifest
    with extracted("tiny", (), [path], lambda _: None) as roots:
        after = add(tiny, find_originals(tiny, *roots, named=[path]))
    assert after.outcome == "unchanged"
    assert after.manifest.fingerprint == before.fingerprint
    assert left() == ["tiny"]


def test_a_zip_file_of_omniglot_is_extracted() -> None:
    folder = os.environ.get("MLBENCH_TEST_DATA")
    if not folder:
        pytest.skip("MLBENCH_TEST_DATA names no folder of real images")
    path = Path(folder) / "omniglot" / "images_background_small1.zip"
    with extracted("omniglot", (), [path], lambda _: None) as roots:
        assert roots[0].name == "images_background_small1"
        assert len(list(roots[0].glob("*/character*/*.png"))) == 2720


def test_names_in_utf_8_that_a_zip_file_does_not_call_so_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xx/y.txt", b"content")
    raw = path.read_bytes().replace(b"xx/y.txt", "é/y.txt".encode())  # as long, and no flag
    path.write_bytes(raw)
    archive_read = Zip(path)
    assert [member.name for member in archive_read.members()] == ["é/y.txt"]
    (member,) = archive_read.members()
    archive_read.close()
    assert member.size == len(b"content")
