"""Zip and tar files, every member of which is looked at before the first is written.

Names and kinds of members are anybody's choice: nothing is written outside the folder that is
given, nothing but plain files and folders, and no more than was announced.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Protocol, Self

from mlbench.errors import DataError

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
NO_ARCHIVES = frozenset({".npz", ".npy", ".pkl", ".pickle", ".csv", ".mat", ".pt", ".pth"})
"""Kinds of data that are read as they are, though some are zip files inside."""
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, RuntimeError, OverflowError, MemoryError),
)
"""All that reading half an archive, or one that was made to do harm, may raise."""
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members of zip files may be compressed: of these, a reader need not hold much in memory."""
CHUNK = 1 << 16  # bytes read at once
TRAILING = 256  # chunks after the last member that are read, not more
BLOCK = 1 << 12  # bytes that a file takes on a disk at least
LONGEST = 255  # bytes of a file name
DRIVE = re.compile(r"[A-Za-z]:")
REMEDY = "get it again, or extract it yourself and add the folder"


@dataclass(frozen=True)
class Member:
    """A file or a folder in an archive.

    Args:
        name: Its path, as the archive has it.
        size: Its bytes, as the archive announces them; 0 for a folder.
        folder: Whether it is one.
        strange: What else it is, in words.
        header: What the archive's reader knows of it.
    """

    name: str
    size: int
    folder: bool
    strange: str | None
    header: zipfile.ZipInfo | tarfile.TarInfo

    @property
    def path(self) -> PurePosixPath:
        """Return its path."""
        return PurePosixPath(self.name)

    @property
    def space(self) -> int:
        """Return the bytes it takes on a disk, generously."""
        return self.size + BLOCK

    @property
    def fault(self) -> str | None:
        """Return why it is not extracted, in words."""
        if "\\" in self.name or "\0" in self.name:
            return "has a name with a backslash or a zero byte"
        if self.path.is_absolute() or DRIVE.match(self.name) or ".." in self.path.parts:
            return "points outside the folder that it is extracted to"
        if any(len(os.fsencode(part)) > LONGEST for part in self.path.parts):
            return "has too long a name"
        return self.strange


class Archive(Protocol):
    """An archive that is open."""

    def members(self) -> Iterator[Member]:
        """Yield all that it holds, in the order in which it is best read."""

    def open(self, member: Member) -> IO[bytes]:
        """Return the content of a file."""

    def close(self) -> None:
        """Close it."""


class Zip:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self.file = zipfile.ZipFile(path)
        self.close = self.file.close

    def members(self) -> Iterator[Member]:
        """Yield all that it holds."""
        for info in self.file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            strange = None
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                strange = "is a link or a special file"
            elif info.flag_bits & 1:
                strange = "is encrypted"
            elif info.compress_type not in PLAIN:
                strange = f"is compressed by method {info.compress_type}"
            folder = info.is_dir()
            name = name_of(info)
            yield Member(name, 0 if folder else info.file_size, folder, strange, info)

    def open(self, member: Member) -> IO[bytes]:
        """Return the content of a file."""
        assert isinstance(member.header, zipfile.ZipInfo)  # noqa: S101  # for mypy
        return self.file.open(member.header)


def name_of(info: zipfile.ZipInfo) -> str:
    """Return the path of a member of a zip file.

    Where the file does not say that it is UTF-8, it may be all the same: many programs write that
    and do not say so. No name of more than ASCII that was meant otherwise is valid UTF-8 by chance.
    """
    name = info.orig_filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


class StrictHeader(tarfile.TarInfo):
    """A header in a tar file; one that makes no sense is an error, not the archive's end."""

    LARGEST = 1 << 20  # bytes of a header that continues another one: they are held in memory
    CONTINUED = (
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    )

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return what 512 bytes say."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in cls.CONTINUED and header.size > cls.LARGEST):
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        """Return the next header."""
        try:
            header = super().fromtarfile(tarfile)
        except END_OF_TAR:
            raise
        except HEADER_ERROR as err:
            raise READ_ERROR(str(err)) from err
        if header.size < 0:
            raise READ_ERROR(f"a size of {header.size}")
        return header


# In fromtarfile, the name of the module is that of a parameter, as the standard library has it.
END_OF_TAR: type[Exception] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
HEADER_ERROR, READ_ERROR = tarfile.HeaderError, tarfile.ReadError


class Tar:
    """A tar file, compressed or not."""

    def __init__(self, path: Path) -> None:
        self.file = tarfile.open(path, tarinfo=StrictHeader)  # noqa: SIM115  # close() closes it
        self.close = self.file.close

    def members(self) -> Iterator[Member]:
        """Yield all that it holds; after that, read to its end, where its checksum is."""
        for info in self.file:
            plain = info.isdir() or (info.isreg() and not info.issparse())
            strange = None if plain else "is a link or a special file"
            yield Member(info.name, info.size if info.isreg() else 0, info.isdir(), strange, info)
        for _ in range(TRAILING):
            if not self.file.fileobj.read(CHUNK):
                break

    def open(self, member: Member) -> IO[bytes]:
        """Return the content of a file."""
        assert isinstance(member.header, tarfile.TarInfo)  # noqa: S101  # for mypy
        content = self.file.extractfile(member.header)
        if content is None:
            raise tarfile.ReadError(f"{member.name} has no content")
        return content


def kind_of(path: Path) -> Literal["zip", "tar"] | None:
    """Return which kind of archive a file is, by its content; nothing for data of other kinds.

    Raises:
        DataError: It cannot be read, or is called an archive and is not one that is whole.
    """
    if path.suffix.lower() in NO_ARCHIVES:
        return None
    try:
        with path.open("rb"):
            pass
    except OSError as err:
        raise DataError(f"{path} cannot be read ({err.strerror}); make it readable") from err
    # The end of a tar file may look like a zip file, if that is its last member.
    if _is_tar(path):
        return "tar"
    if zipfile.is_zipfile(path):
        with reading(path), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            arrays = bool(names) and all(name.endswith(".npy") for name in names)
            return None if arrays else "zip"
    if path.name.lower().endswith(ENDINGS):
        raise DataError(f"{path} is damaged, or no archive; {REMEDY}")
    return None


def _is_tar(path: Path) -> bool:
    """Return whether a file begins as a tar file that has members, compressed or not."""
    try:
        with tarfile.open(path) as archive:
            return archive.next() is not None
    except DAMAGED:
        return False


@contextmanager
def opened(path: Path, kind: Literal["zip", "tar"]) -> Iterator[Archive]:
    """Lend an archive, open."""
    with reading(path):
        archive: Archive = Zip(path) if kind == "zip" else Tar(path)
    try:
        yield archive
    finally:
        archive.close()


def checked_members(path: Path, archive: Archive) -> Iterator[Member]:
    """Yield what an archive holds.

    Raises:
        DataError: A member is a link, points elsewhere or is of another strange kind, or the
            archive is damaged.
    """
    members = archive.members()
    while True:
        with reading(path):
            member = next(members, None)
        if member is None:
            return
        if (fault := member.fault) is not None:
            raise DataError(
                f"{path} holds {member.name!r}, which {fault}, so nothing of it is extracted;"
                " get it again from where it is published, or extract it yourself and add the"
                " folder"
            )
        yield member


def write_member(path: Path, archive: Archive, member: Member, folder: Path) -> None:
    """Write a member of an archive below a folder; it gets the rights of any other file.

    Raises:
        DataError: It is damaged, or longer than announced.
    """
    target = folder / member.path
    try:
        if member.folder:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # Never written into: what is there may be one file with somebody's original.
        target.unlink(missing_ok=True)
        file = target.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as err:
        raise DataError(
            f"{path} holds {member.name!r} as a file and as a folder; {REMEDY}"
        ) from err
    left = member.size
    with file:
        with reading(path):
            content = archive.open(member)
        with content:
            while True:
                with reading(path):
                    # A byte more than is left tells a member that is longer than announced.
                    chunk = content.read(min(CHUNK, left + 1))
                    if len(chunk) > left or (left and not chunk):
                        raise EOFError(f"{member.name} is not as long as announced")
                if not chunk:
                    return
                file.write(chunk)
                left -= len(chunk)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Put into words what a damaged archive makes its reader raise."""
    try:
        yield
    except DAMAGED as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        raise DataError(f"{path} is damaged or cut short ({reason}); {REMEDY}") from err
