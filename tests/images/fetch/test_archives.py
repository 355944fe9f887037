"""Archives in the place of folders: what they hold, and what they must not do."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.fetch.archives import extracted
from mlbench.images.fetch.download import Download
from mlbench.images.fetch.extraction import Zip
from mlbench.images.home import data_home
from mlbench.images.originals import find_originals
from mlbench.images.packing import add

PICTURES = {
    f"pets/{name}/{image}.png": np.random.default_rng(image).bytes(3_000 + image)
    for name in ("cat", "dog")
    for image in range(3)
}
FORMS = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")
Tree = dict[str, bytes]


def pack(path: Path, files: Tree) -> Path:
    """Write an archive of the form that the name has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    return pack_members(path, [plain(name, content) for name, content in files.items()])


def plain(name: str, content: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def pack_members(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    compression = path.suffix.removeprefix(".").replace("tgz", "gz").replace("tar", "")
    with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload]
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return path


def official(path: Path, *, folder: str = "", extract: bool = True) -> Download:
    """Return the official file that a file is."""
    digest = md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    url = f"https://example.org/{path.name}"
    return Download(url=url, md5=digest, bytes=path.stat().st_size, folder=folder, extract=extract)


def below(folder: Path) -> Tree:
    """Return what a folder holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(*paths: Path, known: Sequence[Download] = ()) -> list[Tree | Path]:
    """Return what is lent for some paths: trees, or the path itself."""
    with extracted("tiny", known, paths, lambda _: None) as roots:
        assert all(root.exists() for root in roots)
        return [root if root in paths else below(root) if root.is_dir() else root for root in roots]


def refusal(*paths: Path, known: Sequence[Download] = ()) -> str:
    """Return why paths are refused; nothing may be left."""
    with pytest.raises(DataError) as caught:
        read(*paths, known=known)
    assert left() == []
    message = " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert len(message.splitlines()) == 1
    return message


def left() -> list[str]:
    home = data_home()
    return [each.name for each in home.iterdir() if each.suffix != ".lock"] if home.exists() else []


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


def link(name: str, kind: bytes, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


ATTACKS = {
    "absolute": plain("/tmp/evil"),  # noqa: S108
    "above": plain("../evil"),
    "above, in the middle": plain("pets/../../evil"),
    "another drive": plain("C:evil"),
    "backslashes": plain("..\\evil"),
    "symbolic link": link("evil", tarfile.SYMTYPE, "/etc/passwd"),
    "symbolic link within": link("evil", tarfile.SYMTYPE, "pets"),
    "hard link": link("evil", tarfile.LNKTYPE, "pets/cat/1.png"),
    "device": link("evil", tarfile.CHRTYPE, ""),
    "pipe": link("evil", tarfile.FIFOTYPE, ""),
    "long name": plain("e" * 256),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("form", ["tar", "tgz"])
def test_a_tar_file_that_reaches_elsewhere_is_refused_whole(
    attack: str, form: str, tmp_path: Path
) -> None:
    member, _ = ATTACKS[attack]
    members = [plain(name, content) for name, content in PICTURES.items()]
    path = pack_members(tmp_path / f"a.{form}", [*members, ATTACKS[attack]])
    message = refusal(path)
    assert f"{path} holds {member.name!r}, which " in message
    assert "so nothing of it is extracted; get it again" in message
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["data-home", path.name])


@pytest.mark.parametrize("name", ["/tmp/evil", "../evil", "a/../../evil", "C:evil", "..\\evil"])  # noqa: S108
def test_a_zip_file_that_reaches_elsewhere_is_refused_whole(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {**PICTURES, name: b""})
    assert f"{path} holds {name!r}, which " in refusal(path)


def test_a_link_after_which_something_is_written_through_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    members = [link("a", tarfile.SYMTYPE, str(tmp_path / "victim")), plain("a/evil")]
    refusal(pack_members(tmp_path / "a.tar", members))
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_file_with_a_link_is_refused(kind: int, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("evil")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "which is a link or a special file" in refusal(tmp_path / "a.zip")


def test_a_zip_file_that_is_encrypted_or_compressed_otherwise_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"a")
    assert "'a', which is compressed by method 14" in refusal(tmp_path / "a.zip")
    raw = bytearray(pack(tmp_path / "b.zip", {"b": b"b"}).read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(raw)
    assert "'b', which is encrypted" in refusal(tmp_path / "b.zip")


def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a": b"", "a/b": b""})
    assert "as a file and as a folder" in refusal(path)


@pytest.mark.parametrize("form", ["zip", "tgz"])
def test_an_archive_that_announces_more_than_there_is_room_for_is_refused(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"a.{form}", {"zeros": bytes(50_000), "more": bytes(60_000)})
    assert path.stat().st_size < 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    message = refusal(path)
    assert "GB are free; make room" in message
    assert message.endswith(f"to extract {path}")


def test_all_archives_together_must_have_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [pack(tmp_path / f"{name}.zip", {"zeros": bytes(60_000)}) for name in "ab"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    assert len(read(paths[0])) == 1
    refusal(*paths)


@pytest.mark.parametrize("announced", [10, 90_000])
def test_a_zip_file_that_lies_about_sizes_is_stopped(announced: int, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"zeros": bytes(50_000)})
    lie = path.read_bytes().replace(struct.pack("<I", 50_000), struct.pack("<I", announced))
    path.write_bytes(lie)
    assert f"{path} is damaged or cut short (" in refusal(path)


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    member, content = plain("././@LongLink", bytes(2 << 20))
    member.type = tarfile.GNUTYPE_LONGNAME
    path = pack_members(tmp_path / "a.tgz", [plain("a"), (member, content), plain("b")])
    assert "a header of 2097152 bytes" in refusal(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_an_archive_that_is_cut_short_is_refused(form: str, share: float, tmp_path: Path) -> None:
    path = pack(tmp_path / f"a.{form}", PICTURES)
    whole = path.read_bytes().rstrip(b"\0")  # an uncompressed tar file ends in many zeros
    path.write_bytes(whole[: int(share * len(whole))])
    message = refusal(path)
    assert f"{path} is damaged" in message
    assert message.endswith("; get it again, or extract it yourself and add the folder")


@pytest.mark.parametrize("form", [form for form in FORMS if form != "tar"])
def test_an_archive_with_a_wrong_bit_is_refused(form: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"a.{form}", PICTURES)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    assert f"{path} is damaged" in refusal(path)


def test_a_damaged_header_does_not_pass_for_the_end(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", PICTURES)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"pets/dog/0.png")] ^= 4
    path.write_bytes(raw)
    assert f"{path} is damaged or cut short (bad checksum)" in refusal(path)


def test_a_tar_file_whose_last_member_is_a_zip_file_is_a_tar_file(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"a": b""}).read_bytes()
    path = pack(tmp_path / "outer.tar", {"inner.zip": inner})
    assert read(path) == [{"inner.zip": inner}]


def test_no_rights_are_taken_over(tmp_path: Path) -> None:
    member, content = plain("run", b"#!/bin/sh")
    member.mode, member.uid = 0o6777, 1
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        info = zipfile.ZipInfo("run")
        info.external_attr = (stat.S_IFREG | 0o6777) << 16
        archive.writestr(info, b"#!/bin/sh")
    path = pack_members(tmp_path / "a.tar", [(member, content)])
    with extracted("tiny", (), [path, tmp_path / "b.zip"], lambda _: None) as roots:
        for root in roots:
            status = (root / "run").stat()
            assert not status.st_mode & 0o7111
            assert status.st_uid == os.getuid()


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
