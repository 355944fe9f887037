"""Archives: extracted where nothing else lies, and nothing that points elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from mlbench.errors import DataError
from mlbench.images.fetch.download import Download, md5_of
from mlbench.images.fetch.extraction import (
    Archive,
    Member,
    checked_members,
    kind_of,
    opened,
    write_member,
)
from mlbench.images.home import require_space, scratch
from mlbench.images.layouts.listing import SPLIT_NAMES, SUFFIXES

NOISE = "__MACOSX"  # what one system adds to every zip file
SPLIT_FOLDERS = {name for names in SPLIT_NAMES.values() for name in names}


class Given(NamedTuple):
    """A path that is added.

    Args:
        path: Itself.
        download: The official file that it is, by its MD5, whatever its name.
        namesake: The official file that has its name and another MD5.
        kind: Which kind of archive is to be extracted from it; nothing for all else.
    """

    path: Path
    download: Download | None
    namesake: Download | None
    kind: Literal["zip", "tar"] | None


@contextmanager
def extracted(
    name: str, official: Sequence[Download], paths: Sequence[Path], tell: Callable[[str], None]
) -> Iterator[tuple[Path, ...]]:
    """Lend folders in the place of archives; other paths stay as they are.

    Official files become one tree together, each at its place: where one of them is an archive, or
    all are given.

    Args:
        name: The data set.
        official: Its official files.
        paths: What is added.
        tell: Told what is extracted.

    Raises:
        DataError: An archive is damaged, is not the official one that it is called, holds what
            points elsewhere, or has no room on the disk.
    """
    given = [look_at(path, official) for path in paths]
    found = {each.download for each in given if each.download}
    whole = bool(official) and found == set(official)
    if any(each.download and each.kind for each in given) or whole:
        refuse_namesakes(given)
    else:
        given = [each._replace(download=None) for each in given]
    if not any(each.download or each.kind for each in given):
        yield tuple(paths)
        return
    with scratch(name) as folder:
        yield tuple(lay_out(name, given, folder, tell))


def look_at(path: Path, official: Sequence[Download]) -> Given:
    """Return what a path is.

    Raises:
        DataError: It cannot be read, or is called as an official archive and is another one.
    """
    try:
        if not path.is_file():
            return Given(path, None, None, None)
        md5 = md5_of(path) if official else ""
    except OSError as err:
        raise DataError(f"{path} cannot be read ({err.strerror}); make it readable") from err
    download = next((each for each in official if each.md5 == md5), None)
    if download is not None:
        return Given(path, download, None, kind_of(path) if download.extract else None)
    namesake = next((each for each in official if each.file == path.name), None)
    given = Given(path, None, namesake, None)
    if namesake is not None:
        if namesake.extract:
            refuse_namesakes([given])
        return given
    return given._replace(kind=kind_of(path))


def refuse_namesakes(given: Sequence[Given]) -> None:
    """Refuse what has the name of an official file and is another."""
    for path, _, namesake, _ in given:
        if namesake is not None:
            otherwise = ", or extract it yourself and add the folder" if namesake.extract else ""
            raise DataError(
                f"{path} is damaged or another file: its md5 is {md5_of(path)}, and that of the"
                f" official {namesake.file} is {namesake.md5}; get it again from {namesake.url}"
                f"{otherwise}"
            )


def lay_out(
    name: str, given: Sequence[Given], scratch: Path, tell: Callable[[str], None]
) -> list[Path]:
    """Extract archives and put official files into a folder; return what to read instead."""
    tree = scratch / "official"
    roots: list[Path] = []
    done: set[Download] = set()
    with ExitStack() as stack:
        plans: list[tuple[Path, Archive, list[Member], Path]] = []
        space = 0
        for number, (path, download, _, kind) in enumerate(given, start=1):
            if download is not None:
                if tree not in roots:
                    roots.append(tree)
                if download in done:
                    continue
                done.add(download)
                folder = tree / download.folder
            else:
                # The folder's name may stand in messages: it is that of the archive.
                folder = scratch / str(number) / (path.name.partition(".")[0] or "archive")
                roots.append(path if kind is None else folder)
            if kind is not None:
                archive = stack.enter_context(opened(path, kind))
                members = []
                for member in checked_members(path, archive):
                    members.append(member)
                    space += member.space
                    require_room(name, space, path)
                plans.append((path, archive, members, folder))
            elif download is not None:
                put(name, path, folder / download.file)
        for path, archive, members, folder in plans:
            tell(f"extracting {path}")
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                write_member(path, archive, member, folder)
    return [inside(root) if root != tree and scratch in root.parents else root for root in roots]


def require_room(name: str, space: int, path: Path) -> None:
    """Refuse an archive that the disk has no room for."""
    try:
        require_space(name, space)
    except DataError as err:
        err.add_note(f"to extract {path}")
        raise


def put(name: str, path: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:
        require_room(name, path.stat().st_size, path)
        shutil.copyfile(path, target)


def inside(folder: Path) -> Path:
    """Return the only folder in one, if it is neither a class of images nor a split."""
    entries = visible(folder)
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].name in SPLIT_FOLDERS:
        return folder
    below = visible(entries[0])
    is_class = all(path.is_file() and path.suffix.lower() in SUFFIXES for path in below)
    return folder if is_class else entries[0]


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds, without what systems leave in it."""
    return [path for path in folder.iterdir() if path.name != NOISE and path.name[0] != "."]
