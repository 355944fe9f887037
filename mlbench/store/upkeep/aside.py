"""Files and folders that take their place whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlbench.errors import MisuseError, StoreError

MARK = ".new"
ASIDE = re.compile(r"\..+\.[0-9]+\.new")


@dataclass
class Aside:
    """A file that is being written.

    Args:
        file: To write to.
        path: What it is going to be; ``None`` for nothing.
        modified: When it is to have been written last; nanoseconds since 1970, ``None`` for now.
    """

    file: BinaryIO
    path: Path | None
    modified: int | None = None


@contextmanager
def file_aside(path: Path) -> Iterator[Aside]:
    """Give a file to write, which has reached the disk when it takes its name.

    Raises:
        StoreError: It cannot be written.
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}{MARK}")
    try:
        with told(path):
            with hidden.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield (aside := Aside(file, path))
                file.flush()
                os.fsync(file.fileno())
            if aside.path is None:
                return
            if aside.modified is not None:
                os.utime(hidden, ns=(aside.modified, aside.modified))
            os.replace(hidden, aside.path)  # noqa: PTH105  tests stop here
            sync(path.parent)
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what those left in a folder who were killed while they wrote aside."""
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208  of thousands, paths take long
            if ASIDE.fullmatch(name):
                remove_dead(folder / name)


def remove_dead(left: Path) -> None:
    """Remove a file or folder that nobody holds locked any more."""
    with suppress(OSError):
        descriptor = os.open(left, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


@contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes its name when it is complete.

    Raises:
        MisuseError: There is something of that name.
        StoreError: It cannot be written.
    """
    check_vacant(path)
    home = path.absolute().parent
    for left in home.glob(f".{glob.escape(path.name)}.*{MARK}"):
        if ASIDE.fullmatch(left.name):
            remove_dead(left)
    aside = home / f".{path.name}.{os.getpid()}{MARK}"
    try:
        with told(path), held(aside):
            yield aside
            for folder, _, files in os.walk(aside):
                for name in files:
                    sync(Path(folder, name))
                sync(Path(folder))
            check_vacant(path)
            os.replace(aside, path)  # noqa: PTH105  tests stop here
            sync(home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Give an empty folder of ours that is gone afterwards.

    Raises:
        StoreError: It cannot be made.
    """
    tidy(home)
    folder = home / f".scratch.{os.getpid()}{MARK}"
    try:
        with ExitStack() as stack:
            with told(folder):
                stack.enter_context(held(folder))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder, and hold it locked: it is not left over while we fill it."""
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_vacant(path: Path) -> None:
    """Refuse the name of something that is there, unless it is an empty folder.

    Raises:
        MisuseError: It is.
    """
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise MisuseError(f"{path} is there already; move it away, or name another folder")
    if not path.absolute().parent.is_dir():
        raise MisuseError(f"the folder {path.parent} does not exist; make it, or name another")


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the system says of a place into an error that helps.

    Raises:
        StoreError: Nothing can be written there.
    """
    try:
        yield
    except OSError as err:
        raise StoreError(
            f"{path} cannot be written: {err.strerror or err}; free some space there, get the right"
            " to write, or name another place"
        ) from err
