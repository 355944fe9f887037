"""A packed data set: one array of pixels, class after class, and a manifest that says what it is.

Which class is in which split is no part of it, unless the data set is the user's own: one pack
serves every published split.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images.home import MANIFEST, MARKS, NO_JSON, PIXELS, pack_folder
from mlbench.images.mapped import read_array
from mlbench.images.recipe import Recipe
from mlbench.images.typed import is_of

FORMAT = 2
CHUNK = 1 << 24  # bytes hashed at once
MARK = np.dtype([("content", "V16"), ("look", "<u8")])
"""What is kept of each original: the hash of its decoded pixels, and its perceptual hash."""


@dataclass(frozen=True, kw_only=True)
class PackedClass:
    """One class, whose images follow those of the class before it.

    Args:
        name: Its name; classes stand in the order of their names.
        count: How many images it has.
        sha256: Of its pixels, in hexadecimal.
    """

    name: str
    count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """A file as it was written.

    Args:
        bytes: Its size.
        modified: When it was written, in nanoseconds since 1970.
    """

    bytes: int
    modified: int


@dataclass(frozen=True, kw_only=True)
class PackedRule:
    """Which class is in which split by default.

    Args:
        rule: Whose split it is, or how it was made, in words.
        splits: By class; one that is left out is not used.
    """

    rule: str
    splits: dict[str, Split]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a packed data set is and where it came from.

    Args:
        name: The data set's.
        roots: The folders and files that were packed.
        layout: How images lay in them.
        recipe: How images became pixels.
        missing: What the data set lacks, in a few words.
        damaged: Images that could not be decoded and were left out.
        pillow: The version that decoded the images.
        classes: In the order of their images.
        files: Both arrays, by name.
        marks_sha256: The hash of what is kept of the originals.
        options: The words of the command line that gave a user's own split.
        licence: On which terms the images may be used.
        split: The split by default; of a user's own data set, the split.
        own: Whether it is a user's own, so that there is no plugin that knows more of it.
    """

    name: str
    roots: tuple[str, ...]
    layout: str
    recipe: Recipe
    missing: str | None
    damaged: tuple[str, ...]
    pillow: str
    classes: tuple[PackedClass, ...]
    files: dict[str, PackedFile]
    marks_sha256: str
    options: tuple[str, ...]
    licence: str
    split: PackedRule
    own: bool

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of the pixels, the classes, how they were made, and a user's own split."""
        content = {
            "recipe": asdict(self.recipe),
            "classes": [[each.name, each.count, each.sha256] for each in self.classes],
            "splits": sorted(self.split.splits.items()) if self.own else None,
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def same_as(self, other: Manifest) -> bool:
        """Return whether another manifest is of the same content and says the same of it."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("fingerprint", "missing", "damaged", "marks_sha256")
        )

    @property
    def count(self) -> int:
        """Return the number of images."""
        return sum(each.count for each in self.classes)

    @property
    def file_bytes(self) -> int:
        """Return the size of both arrays."""
        return sum(each.bytes for each in self.files.values())

    @cached_property
    def starts(self) -> dict[str, int]:
        """Return where each class begins."""
        counts = [each.count for each in self.classes]
        begins = np.cumsum([0, *counts])[:-1].tolist() if counts else []
        return {each.name: start for each, start in zip(self.classes, begins, strict=True)}

    def sizes(self, split: Split) -> list[int]:
        """Return the images of each class of a split, by default."""
        return [each.count for each in self.classes if self.split.splits.get(each.name) == split]

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
            manifest = cls.from_json(fields)
        except (*NO_JSON, OSError, KeyError, TypeError, AttributeError) as err:
            reason = "is absent" if isinstance(err, FileNotFoundError) else "is damaged"
            raise DataError(f"{folder / MANIFEST} {reason}; {again}") from err
        if manifest.fingerprint != fingerprint:
            raise DataError(f"{folder / MANIFEST} was changed after packing; {again}")
        return manifest

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return what ``dataclasses.asdict`` and JSON were made of."""
        if not set(fields["split"]["splits"].values()) <= set(SPLITS):
            raise ValueError("an unknown split")
        if set(fields["files"]) != {PIXELS, MARKS}:
            raise ValueError("other files")
        values = {
            **fields,
            "roots": tuple(fields["roots"]),
            "recipe": Recipe(**fields["recipe"]),
            "damaged": tuple(fields["damaged"]),
            "options": tuple(fields["options"]),
            "classes": tuple(PackedClass(**each) for each in fields["classes"]),
            "files": {name: PackedFile(**each) for name, each in fields["files"].items()},
            "split": PackedRule(**fields["split"]),
        }
        manifest = cls(**values)
        if not is_of(manifest, cls) or any(each.count < 0 for each in manifest.classes):
            raise ValueError("a value of another type")
        return manifest

    @property
    def add_command(self) -> str:
        """Return the command that packs these data again."""
        words = ["--partial"] * (self.missing is not None)
        words += ["--skip-damaged"] * bool(self.damaged)
        words += [*recipe_words(self.recipe, Recipe()), *self.options, "--replace"]
        return add_command(self.name, self.roots, *words)


def recipe_words(recipe: Recipe, usual: Recipe) -> list[str]:
    """Return the options that give a recipe where another is usual."""
    words = ["--crop", recipe.crop] * (recipe.crop != usual.crop)
    words += ["--resize", recipe.resize] * (recipe.resize != usual.resize)
    words += ["--size", str(recipe.image_size)] * (recipe.image_size != usual.image_size)
    return words


def add_command(name: str, roots: Sequence[str | Path], *options: str) -> str:
    """Return the command that packs a data set."""
    return shlex.join(["mlbench", "data", "add", name, *map(str, roots), *options])


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

        The pixels are hashed only where the file is younger or older than when it was packed.

        Raises:
            DataError: The data are not as they were packed.
        """
        folder = pack_folder(name)
        pack = cls(folder, Manifest.read(folder))
        touched = [file for file in (PIXELS, MARKS) if pack.touched(file)]
        if touched:
            pack.verify()
        for file in touched:
            # A copy of the home has other times; with the right ones it need not be hashed again.
            with suppress(OSError):
                now = (folder / file).stat()
                os.utime(folder / file, ns=(now.st_atime_ns, pack.manifest.files[file].modified))
        return pack

    def touched(self, file: str) -> bool:
        """Return whether a file is younger or older than when it was packed.

        Raises:
            DataError: It cannot be read, or has another size.
        """
        packed, path = self.manifest.files[file], self.folder / file
        try:
            now = path.stat()
        except OSError as err:
            raise DataError(self._trouble(file, f"cannot be read ({err.strerror})")) from err
        if now.st_size != packed.bytes:
            raise DataError(self._trouble(file, f"has {now.st_size} of its {packed.bytes} bytes"))
        return now.st_mtime_ns != packed.modified

    def verify(self) -> None:
        """Hash both arrays.

        Raises:
            DataError: They are not those that were packed.
        """
        if hashlib.sha256(self.marks().tobytes()).hexdigest() != self.manifest.marks_sha256:
            raise DataError(self._trouble(MARKS, "was changed after packing"))
        self.pixels()  # whose header and size are checked
        each_bytes = prod(self.manifest.recipe.shape)
        # Read, not mapped: pages of a mapping count as memory until somebody else wants it.
        with (self.folder / PIXELS).open("rb") as file:
            file.seek(-self.manifest.count * each_bytes, os.SEEK_END)
            for each in self.manifest.classes:
                digest, left = hashlib.sha256(), each.count * each_bytes
                while left and (content := file.read(min(left, CHUNK))):
                    digest.update(content)
                    left -= len(content)
                if digest.hexdigest() != each.sha256:
                    trouble = f"was changed after packing ({each.name})"
                    raise DataError(self._trouble(PIXELS, trouble))

    def pixels(self) -> NDArray[np.uint8]:
        """Return all images, ``(images, height, width, channels)``, memory-mapped.

        The mapping is copy-on-write: torch takes it without a warning, and no write reaches the
        file.
        """
        shape = (self.manifest.count, *self.manifest.recipe.shape)
        return self._load(PIXELS, shape, np.dtype(np.uint8))

    def marks(self) -> NDArray[Any]:
        """Return what is kept of the originals, ``(images,)`` of :data:`MARK`."""
        return self._load(MARKS, (self.manifest.count,), MARK)

    def _load(self, file: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            content = read_array(self.folder / file, empty=not shape[0])
        except Exception as err:  # a file may hold anything, and its reader raise anything
            raise DataError(self._trouble(file, "is damaged")) from err
        if content.shape != shape or content.dtype != dtype:
            raise DataError(self._trouble(file, "holds another array"))
        if Manifest.read(self.folder).fingerprint != self.manifest.fingerprint:
            raise DataError(
                f"{self.folder} was replaced by other content while it was in use; run the command"
                " again"
            )
        return np.asarray(content)

    def _trouble(self, file: str, reason: str) -> str:
        return f"{self.folder / file} {reason}; run: {self.manifest.add_command}"
