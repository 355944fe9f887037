"""Archives made for tests, and what is lent for them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mlbench.errors import DataError
from mlbench.images.fetch.archives import extracted
from mlbench.images.fetch.download import Download
from mlbench.images.home import data_home

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
