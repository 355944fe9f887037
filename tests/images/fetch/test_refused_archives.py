"""Archives that reach elsewhere, lie, or are damaged: nothing of them is extracted."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlbench.images.fetch.archives import extracted
from tests.images.fetch.archives import (
    FORMS,
    PICTURES,
    pack,
    pack_members,
    plain,
    read,
    refusal,
)


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
