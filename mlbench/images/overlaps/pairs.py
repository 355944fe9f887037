"""Which images two packed data sets both hold, or one holds twice.

Two images are exactly one if their decoded originals are equal, or their packed pixels; nearly so
if few bits of their perceptual hashes differ and small grey copies of their packed pixels agree.
The second test is there for drawings and digits, whose hashes are often alike. A flat image is like
no other, except exactly.

Photographs that were compressed, resized, made brighter, darker or grey are found, but for a few
that are overexposed; parts of photographs are not (``python -m benchmarks.overlap NAME`` counts
them). Of handwritten digits many are alike, so that of them only exact ones mean anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlbench.images.overlaps.likeness import SmallCopies, same_part
from mlbench.images.recipe import Recipe

CLOSE = 10
"""Bits that may differ."""
CLOSE_UNSEEN = 4
"""The same where packed pixels show different parts of images, so that they cannot be compared."""
ALIKE = 0.97
"""Correlation of small grey copies from which on two images are one."""
ROWS, COLUMNS = 64, 4096  # hashes compared at once: as many as a processor's cache holds
BATCH = 1 << 16  # pairs judged at once
MANY = 1 << 20  # confirmed pairs of which the nearest are chosen at once
SLICE = 1 << 12  # pairs whose copies are in memory

PAIR = np.dtype([("a", "<i4"), ("b", "<i4"), ("distance", "u1"), ("exact", "?")])
"""Two images, by their places in their packs; how many bits of their hashes differ."""

Pairs = NDArray[Any]
"""``(n,)`` of :data:`PAIR`."""


def traded(pairs: Pairs) -> Pairs:
    """Return the pairs with a and b in each other's place."""
    other = pairs.copy()
    other["a"], other["b"] = pairs["b"], pairs["a"]
    return other


class Side(NamedTuple):
    """A packed data set, as it is compared.

    Args:
        marks: What is kept of the originals, ``(images,)``.
        pixels: ``(images, height, width, channels)``; may be memory-mapped.
        classes: The number of each image's class, ``(images,)``.
        recipe: How the pixels were made.
    """

    marks: NDArray[Any]
    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    recipe: Recipe


def find_pairs(
    first: Side, second: Side | None = None, advance: Callable[[int], None] | None = None
) -> Pairs:
    """Return the images that both hold; of one data set alone, those that it holds twice.

    Of an image and a class only the nearest pair is kept, in either direction: so there are never
    many more pairs than images, and none that has a partner is lost.

    Args:
        first: Images called a.
        second: Images called b; without it, images of the first, each after its a.
        advance: Told how many more images of the first are compared.
    """
    judge = Judge(first, first if second is None else second)
    close = close_pairs(first, second, judge.limit, advance or (lambda _: None))
    found = np.empty(0, PAIR)
    for confirmed in batches(map(judge.confirmed, batches(close, BATCH)), MANY):
        found = judge.nearest(np.concatenate([found, confirmed]))
    return found


def close_pairs(
    first: Side, second: Side | None, limit: int, advance: Callable[[int], None]
) -> Iterator[Pairs]:
    """Yield the pairs whose hashes differ in few bits; every hash is compared with every other."""
    a = np.ascontiguousarray(first.marks["look"])
    b = a if second is None else np.ascontiguousarray(second.marks["look"])
    different = np.empty((ROWS, COLUMNS), np.uint64)
    counts = np.empty((ROWS, COLUMNS), np.uint8)
    for top in range(0, len(a), ROWS):
        rows = a[top : top + ROWS, None]
        for left in range(top if second is None else 0, len(b), COLUMNS):
            columns = b[left : left + COLUMNS]
            within = np.s_[: len(rows), : len(columns)]
            np.bitwise_xor(rows, columns, out=different[within])
            np.bitwise_count(different[within], out=counts[within])
            if counts[within].min() > limit:
                continue
            down, across = np.divmod(np.flatnonzero(counts[within] <= limit), len(columns))
            close = np.empty(len(down), PAIR)
            close["a"], close["b"] = down + top, across + left
            close["distance"] = counts[down, across]
            yield close if second is not None else close[close["a"] < close["b"]]
        advance(len(rows))


def batches(parts: Iterable[Pairs], least: int) -> Iterator[Pairs]:
    """Yield the same pairs, so many or more of them at once; in the end, what is left."""
    waiting: list[Pairs] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count >= least:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)


class Judge:
    """Tells which pairs are the same image, and which of them are kept."""

    def __init__(self, first: Side, second: Side) -> None:
        self.first = first
        self.second = second
        ours = SmallCopies(first.pixels, first.recipe)
        theirs = ours if second is first else SmallCopies(second.pixels, second.recipe)
        self.copies = ours, theirs
        one, other = first.recipe, second.recipe
        self.seen = same_part(one, other)
        self.limit = CLOSE if self.seen else CLOSE_UNSEEN
        self.comparable = one.shape == other.shape and one.invert == other.invert

    def confirmed(self, pairs: Pairs) -> Pairs:
        """Return the pairs that are the same image, exactly or nearly."""
        slices = [pairs[start : start + SLICE] for start in range(0, len(pairs), SLICE)]
        return np.concatenate([pairs[:0], *map(self._confirmed, slices)])

    def _confirmed(self, pairs: Pairs) -> Pairs:
        a, b = pairs["a"], pairs["b"]
        pairs["exact"] = self.first.marks["content"][a] == self.second.marks["content"][b]
        ours, theirs = self.copies[0].of(a), self.copies[1].of(b)
        if self.comparable:
            for place in np.flatnonzero(~pairs["exact"] & (ours == theirs).all(axis=1)):
                pixels = self.first.pixels[a[place]], self.second.pixels[b[place]]
                pairs["exact"][place] = np.array_equal(*pixels)
        alike = np.einsum("ij,ij->i", ours, theirs) >= ALIKE if self.seen else True
        return pairs[pairs["exact"] | alike]

    def nearest(self, pairs: Pairs) -> Pairs:
        """Return the pairs that are the nearest of one of their images and the other's class."""
        a, b = pairs["a"].astype(np.int64), pairs["b"].astype(np.int64)
        rank = pairs["distance"] + 256 * ~pairs["exact"]
        chosen = [
            firsts(b, self.first.classes[a], rank, a),
            firsts(a, self.second.classes[b], rank, b),
        ]
        kept = pairs[np.unique(np.concatenate(chosen))]
        return kept[np.lexsort((kept["b"], kept["a"]))]


def firsts(
    images: NDArray[np.int64],
    classes: NDArray[np.int64],
    rank: NDArray[np.int64],
    partners: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return which pair is the first of each image and class; ties go to the first partner."""
    order = np.lexsort((partners, rank, classes, images))
    keys = np.stack([images[order], classes[order]])
    begins = np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(order)]
    return np.asarray(order[begins])
