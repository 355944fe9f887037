"""The data home: one folder per packed data set, changed by one process at a time.

A data set is put together in a hidden folder beside the others and renamed when it is whole, so
that a name never stands for half of one. A lock that the kernel drops with its process tells
leftovers of a killed one from work in progress.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_data_path

from mlbench.episodes import SPLITS
from mlbench.errors import DataError, MisuseError

HOME_VARIABLE = "MLBENCH_DATA"
MANIFEST = "manifest.json"
PIXELS = "images.npy"
MARKS = "marks.npy"
NO_JSON = (ValueError, RecursionError)
"""All that reading JSON raises that is none, or that was made to do harm."""
PACK_FILES = frozenset({MANIFEST, PIXELS, MARKS, *(f"{split}.npy" for split in SPLITS)})
"""What a pack may hold; arrays by split are those of format 1, which can be replaced."""


def data_home() -> Path:
    """Return where packed data sets lie: ``$MLBENCH_DATA``, else the platform's data folder."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_data_path("mlbench", False)


def pack_folder(name: str) -> Path:
    """Return where the data set of that name lies, or would."""
    return data_home() / name


def packed_names() -> list[str]:
    """Return the names of all packed data sets, damaged ones too."""
    home = data_home()
    try:
        folders = sorted(home.iterdir())
    except FileNotFoundError:
        return []
    except OSError as err:
        raise DataError(_unreachable(home, "read", err)) from err
    return [each.name for each in folders if not each.name.startswith(".") and is_pack(each)]


def own_names() -> list[str]:
    """Return the names of the packed data sets that are a user's own; damaged ones are passed."""
    names = []
    for name in packed_names():
        try:
            own = json.loads((pack_folder(name) / MANIFEST).read_text(encoding="utf-8"))["own"]
        except (*NO_JSON, OSError, KeyError, TypeError):
            continue
        if own is True:
            names.append(name)
    return names


def is_pack(folder: Path) -> bool:
    """Return whether a folder holds what packing writes and nothing else."""
    if not folder.is_dir():
        return False
    files = {each.name for each in folder.iterdir()}
    return bool(files) and files <= PACK_FILES


@contextmanager
def staging(name: str, *, space: int) -> Iterator[Path]:
    """Lend an empty folder in the data home; what is left in it afterwards is removed.

    Args:
        name: The data set that is going to be installed.
        space: Bytes that are about to be written.

    Raises:
        DataError: The home cannot be written, lacks the space, or another process is at it.
    """
    with _alone(name):
        folder = _aside(name, "packing")
        _clear(folder)
        _restore(name)
        _check_room(name)
        require_space(name, space)
        folder.mkdir()
        try:
            yield folder
        finally:
            _clear(folder)


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Lend an empty folder in the data home for files that are extracted; it is removed afterwards.

    Raises:
        DataError: The home cannot be written, or another process extracts files of that name.
    """
    with _alone(name, "extracting"):
        folder = _aside(name, "extracting")
        _clear(folder)
        folder.mkdir()
        try:
            yield folder
        finally:
            _clear(folder)


def require_space(name: str, space: float) -> None:
    """Refuse to write what the disk of the data home, which exists, has no room for.

    Raises:
        DataError: Fewer bytes are free.
    """
    home = data_home()
    free = shutil.disk_usage(home).free
    if free < space:
        raise DataError(
            f"{name} needs {space / 1e9:.2g} GB in {home}, where {free / 1e9:.2g} GB are free;"
            f" make room, or set {HOME_VARIABLE} to a folder on another disk"
        )


def install(staged: Path, name: str) -> None:
    """Give a staged folder its name, in place of what had it; called while staging it."""
    aside = _aside(name, "replaced")
    if pack_folder(name).exists():
        pack_folder(name).rename(aside)
    staged.rename(pack_folder(name))
    _clear(aside)


def require_packed(name: str) -> None:
    """Refuse the name of a data set that is not packed."""
    names = packed_names()
    if name not in names:
        raise MisuseError(
            f"no data set {name!r} is packed in {data_home()}; packed are: "
            f"{', '.join(names) or 'none'}; to pack one: mlbench data add NAME PATH"
        )


def remove_pack(name: str) -> None:
    """Remove a packed data set from the data home."""
    require_packed(name)
    with _alone(name):
        # Renamed first: whatever happens afterwards, nobody opens half of it.
        removed = _aside(name, "removed")
        _clear(removed)
        pack_folder(name).rename(removed)
        _clear(removed)


@contextmanager
def _alone(name: str, work: str = "") -> Iterator[None]:
    """Hold the lock of one data set, and put into words what the disk refuses.

    Args:
        name: The data set's.
        work: What is done under a lock of its own; packing and removing share one.
    """
    home = data_home()
    lock_file = f".{name}.{work}.lock" if work else f".{name}.lock"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / lock_file, f"{work or 'packing or removing'} {name} in {home}"):
            yield
    except OSError as err:
        raise DataError(_unreachable(home, "write to", err)) from err


@contextmanager
def locked(file: Path, work: str) -> Iterator[None]:
    """Hold a lock, which the kernel drops with its process.

    Args:
        file: The lock; it is made if need be.
        work: What whoever holds it is doing, in words.

    Raises:
        DataError: Another process holds it.
    """
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise DataError(
                f"another process is {work}; wait for it, or end it, and repeat the command"
            ) from err
        yield


def _check_room(name: str) -> None:
    """Refuse to put a data set where something else lies: that may be somebody's originals."""
    folder = pack_folder(name)
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not is_pack(folder):
        raise DataError(
            f"{folder} holds files that mlbench did not make, so {name} cannot be packed there;"
            f" move them, or set {HOME_VARIABLE} to another folder"
        )


def _restore(name: str) -> None:
    """Bring back what a process killed while replacing it had put aside; clear other leftovers."""
    aside = _aside(name, "replaced")
    if aside.exists() and not pack_folder(name).exists():
        aside.rename(pack_folder(name))
    _clear(aside)
    _clear(_aside(name, "removed"))


def _aside(name: str, why: str) -> Path:
    return data_home() / f".{name}.{why}"


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _unreachable(home: Path, verb: str, err: OSError) -> str:
    return (
        f"cannot {verb} the data home {home}: {err.strerror or err};"
        f" set {HOME_VARIABLE} to a folder that can be written"
    )
