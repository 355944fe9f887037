"""From images as they were found to a packed data set: decode, order, write, put in its place.

Images of a class are ordered by the hash of their pixels, classes by name: the result depends
neither on file names nor on the layout they came from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from mlbench.errors import DataError
from mlbench.images.home import MARKS, PIXELS, data_home, install, pack_folder, staging
from mlbench.images.originals import Originals
from mlbench.images.overlaps.marks import mark_of
from mlbench.images.pack import (
    MARK,
    Manifest,
    Pack,
    PackedClass,
    PackedFile,
    PackedRule,
    add_command,
    recipe_words,
)
from mlbench.images.pictures import Picture
from mlbench.images.recipe import Recipe

if TYPE_CHECKING:
    from mlbench.images.packed import PackedImages

HEADROOM = 1 << 20  # bytes of headers and manifest, generously
Outcome = Literal["packed", "replaced", "unchanged"]


class Added(NamedTuple):
    """What adding a data set came to."""

    manifest: Manifest
    outcome: Outcome


class Packed(NamedTuple):
    """One image of a pack: its pixels as bytes, what is kept of its original, and their hash."""

    pixels: bytes
    mark: NDArray[Any]
    digest: bytes


def add(
    data: type[PackedImages],
    originals: Originals,
    *,
    recipe: Recipe | None = None,
    partial: bool = False,
    skip_damaged: bool = False,
    replace: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Added:
    """Pack a data set into the data home; the same content again changes nothing.

    Args:
        data: Which data set.
        originals: Its images.
        recipe: How they become pixels; the data set's own by default.
        partial: Accept an incomplete data set; a selection with an index of its own needs no
            leave, and is called incomplete all the same.
        skip_damaged: Leave out images that cannot be decoded, and record which.
        replace: Take the place of other content of that name.
        advance: Told how many more images are packed.

    Raises:
        DataError: The data are incomplete or damaged, or other content has the name.
    """
    recipe = recipe or data.recipe()
    missing = originals.missing
    words = [
        *recipe_words(recipe, data.recipe()),
        *data.split_words,
        "--partial",
        *["--replace"] * replace,
    ]
    if missing is not None and not partial and not originals.chosen:
        absent = originals.listing.absent
        example = f" ({absent[0]} is listed and absent)" if absent else ""
        raise DataError(
            f"{originals.places} holds {missing}{example}, so {data.name} is incomplete there;"
            f" to pack it as it is: {add_command(data.name, originals.roots, *words)}"
        )
    space = originals.listing.count * (np.prod(recipe.shape).item() + MARK.itemsize) + HEADROOM
    with staging(data.name, space=space) as staged:
        writer = Writer(recipe, staged, advance or (lambda _: None), skip_damaged=skip_damaged)
        manifest = writer.write(data, originals)
        if replace:
            outcome: Outcome = "replaced" if pack_folder(data.name).exists() else "packed"
            install(staged, data.name)
            return Added(manifest, outcome)
        before = _packed_before(data.name, manifest.add_command)
        if before is not None:
            if before.same_as(manifest):
                return Added(before, "unchanged")
            if before.fingerprint != manifest.fingerprint:
                raise DataError(
                    f"{data.name} is packed in {data_home()} already, with other content;"
                    f" to replace it: {manifest.add_command}"
                )
        install(staged, data.name)
    return Added(manifest, "packed" if before is None else "replaced")


def _packed_before(name: str, again: str) -> Manifest | None:
    """Return what has the name already, seen to be whole to the last byte.

    Args:
        name: The data set's.
        again: The command that takes the place of what is damaged.

    Raises:
        DataError: It is damaged.
    """
    if not pack_folder(name).exists():
        return None
    try:
        pack = Pack.open(name)
        pack.verify()
    except DataError as err:
        raise DataError(
            f"{name} is packed in {data_home()} already, and damaged; to replace it: {again}"
        ) from err
    return pack.manifest


class Writer:
    """Decodes images on all cores and writes them, class after class, into a folder.

    No more than one class is in memory.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        advance: Callable[[int], None],
        *,
        skip_damaged: bool,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.advance = advance
        self.skip_damaged = skip_damaged
        self.damaged: list[str] = []

    def write(self, data: type[PackedImages], originals: Originals) -> Manifest:
        """Write the arrays and their manifest."""
        with ThreadPoolExecutor(_cores()) as pool:
            classes, marks = self._write_pixels(originals.listing.images, pool)
        np.save(self.folder / MARKS, marks)
        if not classes:
            raise DataError(
                f"no image of {originals.places} can be decoded, the first of them"
                f" {self.damaged[0]}; restore them from the originals"
            )
        missing = ", ".join(
            filter(None, (originals.missing, left_out(len(self.damaged)) if self.damaged else ""))
        )
        manifest = Manifest(
            name=data.name,
            roots=tuple(map(str, originals.roots)),
            layout=originals.layout.name,
            recipe=self.recipe,
            missing=missing or None,
            damaged=tuple(self.damaged),
            pillow=PIL.__version__,
            classes=tuple(classes),
            files={file: self._written(file) for file in (PIXELS, MARKS)},
            marks_sha256=hashlib.sha256(marks.tobytes()).hexdigest(),
            options=data.split_words,
            licence=data.licence,
            split=rule_of(data, classes),
            own=data.own,
        )
        manifest.write(self.folder)
        return manifest

    def _write_pixels(
        self, images: dict[str, list[Picture]], pool: ThreadPoolExecutor
    ) -> tuple[list[PackedClass], NDArray[Any]]:
        """Write the pixels of all classes; return what they are, and the originals' marks."""
        classes: list[PackedClass] = []
        marks: list[NDArray[Any]] = []
        with (self.folder / PIXELS).open("wb") as file:
            self._header(file, sum(map(len, images.values())))
            for name in sorted(images):
                packed = self._decode(images[name], pool)
                digest = hashlib.sha256()
                for each in packed:
                    digest.update(each.pixels)
                    file.write(each.pixels)
                    marks.append(each.mark)
                if packed:
                    classes.append(
                        PackedClass(name=name, count=len(packed), sha256=digest.hexdigest())
                    )
                self.advance(len(images[name]))
            if self.damaged:
                file.seek(0)
                self._header(file, len(marks))
            file.flush()
            os.fsync(file.fileno())
        return classes, np.concatenate(marks) if marks else np.empty(0, MARK)

    def _header(self, file: Any, count: int) -> None:
        """Write the header of an array; that of fewer images is as long."""
        shape = (count, *self.recipe.shape)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    def _decode(self, pictures: Sequence[Picture], pool: ThreadPoolExecutor) -> list[Packed]:
        """Return a class's images, in the order of their hashes."""
        found = []
        for picture, result in zip(pictures, pool.map(self._try, pictures), strict=True):
            if isinstance(result, DataError):
                if not self.skip_damaged:
                    raise result
                self.damaged.append(str(picture))
            else:
                found.append(result)
        return sorted(found, key=lambda packed: packed.digest)

    def _try(self, picture: Picture) -> Packed | DataError:
        """Return an image, or why it cannot be decoded.

        Raises:
            DataError: It can be, and has no bounding box to be cropped to.
        """
        try:
            image = picture.decode()
        except DataError as err:
            return err
        pixels = self.recipe.apply(picture, image).tobytes()
        return Packed(pixels, mark_of(image), hashlib.sha256(pixels).digest())

    def _written(self, file: str) -> PackedFile:
        status = (self.folder / file).stat()
        return PackedFile(bytes=status.st_size, modified=status.st_mtime_ns)


def left_out(count: int) -> str:
    """Return how many damaged images were left out, in words."""
    return f"{count} damaged {'image' if count == 1 else 'images'} left out"


def rule_of(data: type[PackedImages], classes: Sequence[PackedClass]) -> PackedRule:
    """Return the split by default of the classes that have images."""
    split = data.class_splits[0]
    known = {each.name: split.classes.get(each.name) for each in classes}
    return PackedRule(
        rule=split.rule, splits={name: where for name, where in known.items() if where is not None}
    )


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
