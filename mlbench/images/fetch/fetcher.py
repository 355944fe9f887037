"""Official files fetched over bad connections: gone on with where they broke off, then checked.

A file is written under another name and gets its own when it is whole and its MD5 is right. What
has come of it outlasts a broken connection, and the process; beside it is kept what tells whether
the server still has the same file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlbench.errors import DataError
from mlbench.images.fetch.connection import Answer, BrokenOffError, ask, network, refusal
from mlbench.images.fetch.download import Download, md5_of
from mlbench.images.fetch.part import Part
from mlbench.images.home import HOME_VARIABLE, data_home, locked, require_space

DOWNLOADS = ".downloads"  # no data set can have this name
TIMEOUT = 60.0  # seconds that a server may be silent
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between tries
CHUNK = 1 << 18  # bytes read at once
SLACK = 1 << 20  # bytes that a file may have beyond twice what is expected


def downloads_folder(name: str) -> Path:
    """Return where the official files of a data set are fetched to."""
    return data_home() / DOWNLOADS / name


def make_downloads_folder(name: str) -> Path:
    """Return that folder, made if need be."""
    folder = downloads_folder(name)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def bytes_left(name: str, downloads: Sequence[Download]) -> int:
    """Return how many bytes are still to come, about; files are not looked into."""
    folder = downloads_folder(name)
    left = 0
    for download in downloads:
        target = folder / download.file
        if not target.exists():
            left += max(0, download.bytes - Part(target).size)
    return left


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Fetches the official files of a data set.

    Args:
        name: The data set.
        advance: Told how many more bytes are here; fewer than none where some are given up.
        tell: Told what goes wrong and is tried again.
        timeout: Seconds that a server may be silent.
        waits: Seconds between tries that bring nothing; when they are used up, it is over.
    """

    name: str
    advance: Callable[[int], None]
    tell: Callable[[str], None]
    timeout: float = TIMEOUT
    waits: Sequence[float] = WAITS

    def fetch_all(self, downloads: Sequence[Download]) -> list[Path]:
        """Return the files, fetched unless they are here.

        Raises:
            DataError: One cannot be had, or came damaged; the disk cannot be written or lacks the
                space; or another process is at it.
        """
        folder = make_downloads_folder(self.name)
        lock = data_home() / f".{self.name}.downloading.lock"
        with writing(folder), locked(lock, f"downloading {self.name} to {folder}"):
            require_space(self.name, bytes_left(self.name, downloads))
            return [self.fetch(download, folder / download.file) for download in downloads]

    def fetch(self, download: Download, target: Path) -> Path:
        """Return a file."""
        if target.exists():
            if md5_of(target) == download.md5:
                self.advance(download.bytes)
                return target
            target.unlink()
            self.tell(f"{target} was not the official file, by its md5; it is fetched again")
        part = Part(target)
        self.advance(part.size)
        self.persist(download, part)
        md5 = md5_of(part.path)
        if md5 != download.md5:
            part.discard()
            raise DataError(
                f"{download.file} came damaged from {download.url}, or was changed there: its md5"
                f" is {md5}, not {download.md5}, so it is deleted; to fetch it again, repeat the"
                " command"
            )
        part.finish()
        return target

    def persist(self, download: Download, part: Part) -> None:
        """Try until all of a file is here, as long as tries bring something."""
        furthest, failures = part.size, 0
        while True:
            try:
                self.go_on(download, part)
            except BrokenOffError as err:
                if part.size > furthest:
                    furthest, failures = part.size, 0
                if failures == len(self.waits):
                    kept = f"{part.size / 1e6:.1f} MB of it are kept: " if part.size else ""
                    raise DataError(
                        f"{download.url} cannot be fetched: {err}, {failures + 1} times in a row;"
                        f" {kept}to go on, repeat the command; or get it by other means and run:"
                        f" mlbench data add {self.name} {download.file}"
                    ) from err
                wait = self.waits[failures]
                failures += 1
                self.tell(f"{download.file}: {err}; trying again in {wait:g} s")
                time.sleep(wait)
            else:
                return

    def go_on(self, download: Download, part: Part) -> None:
        """Ask for what is missing of a file, and write it.

        Raises:
            BrokenOffError: Some of it is still missing.
        """
        have = part.size
        with ask(download.url, part.asking(), self.timeout) as answer:
            if answer.status == 200:
                self.give_up(part)
                part.begin(answer.headers)
                self.take(download, part, answer)
                return
            if answer.status == 206 and answer.start == have and not part.differs(answer.headers):
                self.take(download, part, answer)
                return
            if answer.status == 416 and have and answer.whole == have:
                return  # all of it is here
            if answer.status not in {206, 416} or not have:
                raise refusal(download.url, answer)
        # What is here is no part of what the server has.
        self.give_up(part)
        self.go_on(download, part)

    def give_up(self, part: Part) -> None:
        """Throw away what is here."""
        self.advance(-part.size)
        part.discard()

    def take(self, download: Download, part: Part, answer: Answer) -> None:
        """Append what comes, no more than was announced."""
        have, left = part.size, answer.length
        limit = 2 * download.bytes + SLACK
        with part.path.open("ab") as file:
            while left is None or left:
                if have + (left or 0) > limit:
                    self.give_up(part)
                    raise DataError(
                        f"{download.url} sends more than {limit / 1e6:.0f} MB, and {download.file}"
                        f" has about {download.bytes / 1e6:.1f} MB, so it is another file; get it"
                        f" by other means and run: mlbench data add {self.name} {download.file}"
                    )
                with network(self.timeout):
                    chunk = answer.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    break
                file.write(chunk)
                self.advance(len(chunk))
                have += len(chunk)
                left = None if left is None else left - len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if left:
            raise BrokenOffError(f"the connection broke off {left} bytes before the end")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Put into words what the disk refuses."""
    try:
        yield
    except OSError as err:
        raise DataError(
            f"cannot write to {folder}: {err.strerror or err}; make room, or set {HOME_VARIABLE}"
            " to a folder that can be written"
        ) from err
