"""What comparing two packed data sets found, kept in the data home: one small file per pair.

A file is named after the fingerprints of what was compared, so that a data set that is packed again
with other content has not been compared. A damaged file counts as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mlbench.errors import DataError
from mlbench.images.home import NO_JSON, data_home
from mlbench.images.overlaps.pairs import PAIR, Pairs, Side, find_pairs, traded
from mlbench.images.pack import Manifest, Pack

FOLDER = ".overlaps"  # no data set can have this name
FORMAT = 1  # of the file; also to be raised when images are compared in another way


def compare(
    first: Pack, second: Pack | None = None, advance: Callable[[int], None] | None = None
) -> Pairs:
    """Return the images that both packs hold, or that one holds twice.

    Args:
        first: Images called a.
        second: Images called b; without it, images of the first.
        advance: Told how many more images of the first are compared.

    Raises:
        DataError: A pack is damaged.
    """
    return find_pairs(side_of(first), None if second is None else side_of(second), advance)


def side_of(pack: Pack) -> Side:
    """Return a pack as it is compared."""
    manifest = pack.manifest
    counts = [each.count for each in manifest.classes]
    classes = np.repeat(np.arange(len(counts)), counts)
    return Side(pack.marks(), pack.pixels(), classes, manifest.recipe)


def keep(first: Manifest, second: Manifest | None, pairs: Pairs) -> None:
    """Write down what comparing found.

    Raises:
        DataError: The data home cannot be written.
    """
    path, swapped = record_of(first, second)
    names = [first.name, (second or first).name]
    content = {
        "format": FORMAT,
        "names": names[::-1] if swapped else names,
        "pairs": (traded(pairs) if swapped else pairs).tolist(),
    }
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(content), encoding="utf-8")
        aside.replace(path)
    except OSError as err:
        raise DataError(
            f"{path} cannot be written ({err.strerror}), so runs will not know that these data"
            " were compared; make the data home writable, and repeat the command"
        ) from err
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def recall(first: Manifest, second: Manifest | None) -> Pairs | None:
    """Return what comparing found, or nothing where it has not been done."""
    path, swapped = record_of(first, second)
    limits = (first.count, (second or first).count)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            return None
        pairs = np.array([tuple(row) for row in content["pairs"]], dtype=PAIR)
    except (*NO_JSON, OSError, KeyError, TypeError, OverflowError):
        return None
    if swapped:
        pairs = traded(pairs)
    for field, limit in zip(("a", "b"), limits, strict=True):
        if len(pairs) and not 0 <= pairs[field].min() <= pairs[field].max() < limit:
            return None
    return pairs


def record_of(first: Manifest, second: Manifest | None) -> tuple[Path, bool]:
    """Return the file of two data sets, the same in either order, and whether it has b first."""
    names = [each.fingerprint[:32] for each in (first, second) if each is not None]
    path = data_home() / FOLDER / f"{'-'.join(sorted(names))}.json"
    return path, names != sorted(names)
