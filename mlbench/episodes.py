"""Episode i of a stream, as a pure function of the stream's key and i.

A :class:`Stream` names everything that decides an episode. Its randomness is a counter-based
generator (Philox 4x64-10; Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"):
episode i owns block i of the counter, so any episode is drawn alone, in any order and on any
machine, and is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
WORDS_PER_COUNT = 4  # 64-bit words that Philox gives for one value of its counter


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The key of an endless sequence of episodes.

    Args:
        fingerprint: What the data are, to the last byte.
        split: Which classes (or functions) are drawn from.
        ways: Classes per episode; ``None`` for regression and for flat batches.
        shots: Support examples, per class in classification; 0 for flat batches.
        queries: Query examples, per class in classification; the size of a flat batch.
        seed: Tells streams of otherwise equal key apart.
        replacement: Whether an image may be drawn twice in an episode, as the authors' code does.
    """

    fingerprint: str
    split: Split
    ways: int | None
    shots: int
    queries: int
    seed: int
    replacement: bool = False

    @property
    def flat(self) -> bool:
        """Return whether these are flat batches: examples of all classes, without a support set.

        A label is then the place of a class in its split.
        """
        return self.shots == 0

    @cached_property
    def digest(self) -> bytes:
        """Return 16 bytes that stand for the whole key."""
        fields = (self.fingerprint, self.split, self.ways, self.shots, self.queries, self.seed)
        text = "\n".join(map(str, (*fields, "with" if self.replacement else "without")))
        return blake2b(text.encode(), digest_size=16).digest()

    def key_for(self, purpose: str) -> bytes:
        """Return 16 bytes for randomness of another purpose than what an episode is made of."""
        return blake2b(purpose.encode(), key=self.digest, digest_size=16).digest()

    def keys(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return one 64-bit key per episode: equal keys, equal episodes."""
        origin = np.uint64(int.from_bytes(self.digest[:8], "little"))
        with np.errstate(over="ignore"):
            return origin + np.arange(start, stop, dtype=np.uint64)

    def uniforms(self, start: int, stop: int, width: int) -> NDArray[np.float64]:
        """Return ``(stop - start, width)`` numbers in [0, 1), a row per episode."""
        return block_uniforms(self.digest, start, stop, width)


def block_uniforms(key: bytes, start: int, stop: int, width: int) -> NDArray[np.float64]:
    """Return ``(stop - start, width)`` numbers in [0, 1): row i is block start + i of a key.

    Args:
        key: 16 bytes; another key gives unrelated numbers.
        start: The first block.
        stop: One past the last block.
        width: Numbers per block. Widths are rounded up to whole values of the counter, so those
            that round alike share their first numbers: for unrelated ones, take another key.
    """
    counts = -(-width // WORDS_PER_COUNT)
    bits = np.random.Philox(key=np.frombuffer(key, dtype=np.uint64), counter=start * counts)
    words = bits.random_raw((stop - start) * counts * WORDS_PER_COUNT)
    rows = np.asarray(words, dtype=np.uint64).reshape(stop - start, -1)[:, :width]
    return (rows >> np.uint64(11)).astype(np.float64) * 2.0**-53


def choose(uniforms: NDArray[np.float64], population: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return k distinct indices a row, uniformly and in random order (Fisher and Yates).

    Args:
        uniforms: ``(rows, k)``, in [0, 1).
        population: ``(rows,)``; row r chooses from ``range(population[r])``, which holds k or more.
    """
    rows, k = uniforms.shape
    row = np.arange(rows)
    deck = np.tile(np.arange(population.max(initial=0)), (rows, 1))
    for drawn in range(k):
        pick = drawn + (uniforms[:, drawn] * (population - drawn)).astype(np.int64)
        deck[row, pick], deck[row, drawn] = deck[row, drawn], deck[row, pick]
    return deck[:, :k]


def choose_again(uniforms: NDArray[np.float64], population: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return k indices a row, with replacement; arguments as in :func:`choose`."""
    return (uniforms * population[:, None]).astype(np.int64)


def seed_for(purpose: str, seed: int) -> int:
    """Return a 63-bit seed, so that equal seeds of different purpose share no randomness."""
    digest = blake2b(f"{purpose}\n{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
