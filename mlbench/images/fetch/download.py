"""Official files of data sets: where they lie, and what they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that may be downloaded.

    Args:
        url: Its official address.
        md5: Of the whole file, in hexadecimal.
        bytes: Its size, about.
        folder: Where its content belongs, below the folder that is added.
        extract: Whether it is an archive that is to be extracted.
    """

    url: str
    md5: str
    bytes: int
    folder: str = ""
    extract: bool = True

    @property
    def file(self) -> str:
        """Return the name of the file."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal: against accidents, not against attacks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
