"""A packed data set: one array of pixels per split, and a manifest that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images.home import MANIFEST, pack_folder

FORMAT = 1
RESIZE = "squash-bicubic"
CHUNK = 1 << 24  # bytes hashed at once


@dataclass(frozen=True, kw_only=True)
class PackedSplit:
    """What the array of one split holds.

    Args:
        class_names: In the order of their images.
        class_sizes: Images of each class.
        sha256: Of the pixels, in hexadecimal.
        file_bytes: Size of the file.
        modified: When the file was written, in nanoseconds since 1970.
    """

    class_names: tuple[str, ...]
    class_sizes: tuple[int, ...]
    sha256: str
    file_bytes: int
    modified: int

    @property
    def count(self) -> int:
        """Return the number of images."""
        return sum(self.class_sizes)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return what ``dataclasses.asdict`` and JSON were made of."""
        names, sizes = tuple(fields["class_names"]), tuple(fields["class_sizes"])
        return cls(**{**fields, "class_names": names, "class_sizes": sizes})


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a packed data set is and where it came from.

    Args:
        name: The data set's.
        root: The folder that was packed.
        layout: How images lay in it.
        split_rule: Which class is in which split.
        resize: How images were brought to their size.
        image_size: Height and width, in pixels.
        missing: What the data set lacks, in a few words.
        pillow: The version that decoded the images.
        splits: All three.
    """

    name: str
    root: str
    layout: str
    split_rule: str
    resize: str
    image_size: int
    missing: str | None
    pillow: str
    splits: dict[Split, PackedSplit]

    @property
    def fingerprint(self) -> str:
        """Return a hash of all that decides an episode, and of nothing else."""
        content = {
            "split_rule": self.split_rule,
            "resize": self.resize,
            "image_size": self.image_size,
            "splits": [
                [split, packed.class_names, packed.class_sizes, packed.sha256]
                for split, packed in ((split, self.splits[split]) for split in SPLITS)
            ],
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def file_bytes(self) -> int:
        """Return the size of all arrays."""
        return sum(each.file_bytes for each in self.splits.values())

    def shape(self, split: Split) -> tuple[int, int, int, int]:
        """Return ``(images, height, width, 3)``."""
        return self.splits[split].count, self.image_size, self.image_size, 3

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder, through to the disk."""
        fields = {"format": FORMAT, "fingerprint": self.fingerprint, **asdict(self)}
        with (folder / MANIFEST).open("w", encoding="utf-8") as file:
            json.dump(fields, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the manifest in a folder.

        Raises:
            DataError: It is absent, damaged, changed or of another format.
        """
        again = f"run: mlbench data add {folder.name} PATH --replace"
        try:
            fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            written, fingerprint = fields.pop("format"), fields.pop("fingerprint")
            if written != FORMAT:
                raise DataError(
                    f"{folder.name} in {folder} was packed in format {written} and this version of"
                    f" mlbench reads {FORMAT}; {again}"
                )
            splits = {split: PackedSplit.from_json(fields["splits"][split]) for split in SPLITS}
            manifest = cls(**{**fields, "splits": splits})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            reason = "is absent" if isinstance(err, FileNotFoundError) else "is damaged"
            raise DataError(f"{folder / MANIFEST} {reason}; {again}") from err
        if manifest.fingerprint != fingerprint:
            raise DataError(f"{folder / MANIFEST} was changed after packing; {again}")
        return manifest

    @property
    def add_command(self) -> str:
        """Return the command that packs these data again."""
        return add_command(self.name, self.root, partial=self.missing is not None, replace=True)


def add_command(name: str, path: str | Path, *, partial: bool, replace: bool = False) -> str:
    """Return the command that packs a data set."""
    words = ["mlbench", "data", "add", name, str(path)]
    words += ["--partial"] * partial + ["--replace"] * replace
    return shlex.join(words)


@dataclass(frozen=True)
class Pack:
    """A packed data set on disk, seen to be as it was written.

    Args:
        folder: Where it lies.
        manifest: What it is.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, name: str) -> Self:
        """Return a packed data set, checked for files that are missing, cut short or changed.

        The pixels are hashed only where a file is younger or older than when it was packed.

        Raises:
            DataError: The data are not as they were packed.
        """
        folder = pack_folder(name)
        pack = cls(folder, Manifest.read(folder))
        for split in SPLITS:
            pack.check(split)
        return pack

    def check(self, split: Split) -> None:
        """Compare size and time of a split's file with what was packed, its pixels if need be."""
        packed, path = self.manifest.splits[split], self.path(split)
        try:
            now = path.stat()
        except OSError as err:
            raise DataError(self._trouble(split, f"cannot be read ({err.strerror})")) from err
        if now.st_size != packed.file_bytes:
            raise DataError(
                self._trouble(split, f"has {now.st_size} of its {packed.file_bytes} bytes")
            )
        if now.st_mtime_ns != packed.modified:
            self.verify(split)
            # A copy of the home has other times; with the right ones it need not be hashed again.
            with suppress(OSError):
                os.utime(path, ns=(now.st_atime_ns, packed.modified))

    def verify(self, split: Split) -> None:
        """Hash the pixels of a split.

        Raises:
            DataError: They are not those that were packed.
        """
        pixels = self.load(split).reshape(-1)
        digest = hashlib.sha256()
        for start in range(0, pixels.size, CHUNK):
            digest.update(pixels[start : start + CHUNK].data)
        if digest.hexdigest() != self.manifest.splits[split].sha256:
            raise DataError(self._trouble(split, "was changed after packing"))

    def load(self, split: Split) -> NDArray[np.uint8]:
        """Return the images of a split, ``(images, height, width, 3)``, memory-mapped.

        The mapping is copy-on-write: torch takes it without a warning, and no write reaches the
        file.
        """
        try:
            pixels = np.load(self.path(split), mmap_mode="c")
        except (OSError, ValueError, EOFError) as err:
            raise DataError(self._trouble(split, "is damaged")) from err
        if pixels.shape != self.manifest.shape(split) or pixels.dtype != np.uint8:
            raise DataError(self._trouble(split, "holds another array"))
        return np.asarray(pixels)

    def path(self, split: Split) -> Path:
        """Return the file of a split."""
        return self.folder / f"{split}.npy"

    def _trouble(self, split: Split, reason: str) -> str:
        return f"{self.path(split)} {reason}; run: {self.manifest.add_command}"
