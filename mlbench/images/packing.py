"""From image files to a packed data set: decode, order, write, and put in its place.

Images of a class are ordered by the hash of their pixels, classes by name: the result depends
neither on file names nor on the layout they came from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import PIL
from PIL import Image

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError
from mlbench.images.home import data_home, install, pack_folder, staging
from mlbench.images.originals import UNREADABLE, Originals, damaged
from mlbench.images.pack import RESIZE, Manifest, Pack, PackedSplit, add_command

if TYPE_CHECKING:
    from mlbench.images.packed import PackedImages

HEADROOM = 1 << 20  # bytes of headers and manifest, generously
DAMAGED = "damaged"  # stands where a fingerprint would


class Added(NamedTuple):
    """What adding a data set came to."""

    manifest: Manifest
    outcome: Literal["packed", "replaced", "unchanged"]


def add(
    data: type[PackedImages],
    originals: Originals,
    *,
    partial: bool = False,
    replace: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Added:
    """Pack a data set into the data home; the same content again changes nothing.

    Args:
        data: Which data set.
        originals: Its images.
        partial: Accept an incomplete data set; a selection with an index of its own needs no
            leave, and is called incomplete all the same.
        replace: Take the place of other content of that name.
        advance: Told how many more images are packed.

    Raises:
        DataError: The data are incomplete or damaged, or other content has the name.
    """
    missing = originals.missing
    if missing is not None and not partial and not originals.chosen:
        absent = originals.listing.absent
        example = f" ({absent[0]} is listed and absent)" if absent else ""
        raise DataError(
            f"{originals.root} holds {missing}{example}, so {data.name} is incomplete there;"
            f" to pack it as it is: {add_command(data.name, originals.root, partial=True)}"
        )
    space = originals.listing.count * data.image_size**2 * 3 + HEADROOM
    with staging(data.name, space=space) as staged:
        writer = SplitWriter(data, originals, staged, advance or (lambda _: None))
        manifest = writer.write()
        before = _packed_before(data.name)
        if before == manifest.fingerprint:
            return Added(Manifest.read(pack_folder(data.name)), "unchanged")
        if before is not None and not replace:
            has = "and damaged" if before == DAMAGED else "with other content"
            command = add_command(
                data.name, originals.root, partial=missing is not None, replace=True
            )
            raise DataError(
                f"{data.name} is packed in {data_home()} already, {has}; to replace it: {command}"
            )
        install(staged, data.name)
    return Added(manifest, "packed" if before is None else "replaced")


def _packed_before(name: str) -> str | None:
    """Return the fingerprint of what has the name already, to the last byte of its pixels."""
    if not pack_folder(name).exists():
        return None
    try:
        pack = Pack.open(name)
        for split in SPLITS:
            pack.verify(split)
    except DataError:
        return DAMAGED
    return pack.manifest.fingerprint


class SplitWriter:
    """Decodes images on all cores and writes them, class after class, into a folder.

    No more than one class is in memory.
    """

    def __init__(
        self,
        data: type[PackedImages],
        originals: Originals,
        folder: Path,
        advance: Callable[[int], None],
    ) -> None:
        self.data = data
        self.originals = originals
        self.folder = folder
        self.advance = advance

    def write(self) -> Manifest:
        """Write the array of every split and their manifest."""
        with ThreadPoolExecutor(_cores()) as pool:
            splits = {split: self._write_split(split, pool) for split in SPLITS}
        manifest = Manifest(
            name=self.data.name,
            root=str(self.originals.root),
            layout=self.originals.layout.name,
            split_rule=self.data.split_rule,
            resize=RESIZE,
            image_size=self.data.image_size,
            missing=self.originals.missing,
            pillow=PIL.__version__,
            splits=splits,
        )
        manifest.write(self.folder)
        return manifest

    def _write_split(self, split: Split, pool: ThreadPoolExecutor) -> PackedSplit:
        images, size = self.originals.listing.images, self.data.image_size
        names = sorted(name for name in images if self.data.classes[name] == split)
        sizes = [len(images[name]) for name in names]
        path = self.folder / f"{split}.npy"
        digest = hashlib.sha256()
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {"descr": "|u1", "fortran_order": False, "shape": (sum(sizes), size, size, 3)},
            )
            for name in names:
                for pixels in _decode_class(images[name], size, pool):
                    digest.update(pixels)
                    file.write(pixels)
                self.advance(len(images[name]))
            file.flush()
            os.fsync(file.fileno())
        written = path.stat()
        return PackedSplit(
            class_names=tuple(names),
            class_sizes=tuple(sizes),
            sha256=digest.hexdigest(),
            file_bytes=written.st_size,
            modified=written.st_mtime_ns,
        )


def _decode_class(paths: Sequence[Path], size: int, pool: ThreadPoolExecutor) -> list[bytes]:
    """Return the pixels of a class's images, in the order of their hashes."""
    pixels = pool.map(lambda path: decode(path, size), paths)
    return sorted(pixels, key=lambda image: hashlib.sha256(image).digest())


def decode(path: Path, size: int) -> bytes:
    """Return the pixels of an image file in RGB, squashed to a square: row by row, uint8.

    Raises:
        DataError: It is no image, is cut short, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
            pixels = image.convert("RGB")
    except UNREADABLE as err:
        raise damaged(path, err) from err
    if pixels.size != (size, size):
        pixels = pixels.resize((size, size), Image.Resampling.BICUBIC)
    return pixels.tobytes()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
