"""IDX files, in which MNIST and its kind are handed out: a header with a shape, then bytes."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from mlbench.errors import DataError

BYTES = b"\0\0\x08"  # begins a file of unsigned bytes; the number of dimensions follows
LEAST = 4  # bytes of a header without any dimensions
GZIP = b"\x1f\x8b"
MOST = 1 << 30  # bytes that are read: of few compressed ones, many may come


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in an IDX file of bytes, gzipped or not.

    Raises:
        DataError: It is of another kind, is cut short, or holds more than its header says.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            return parse_idx(file.read(MOST + 1))
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise DataError(f"{path} is damaged ({err}); restore it from the original") from err


def parse_idx(content: bytes) -> NDArray[np.uint8]:
    """Return the array that a file holds.

    Raises:
        ValueError: It holds none, or more or less than its header says.
    """
    if len(content) > MOST:
        raise ValueError(f"it holds more than {MOST >> 20} MB")
    if content[:3] != BYTES or len(content) < LEAST:
        raise ValueError("it is no IDX file of bytes")
    header = Struct(f">4x{content[3]}I")
    if len(content) < header.size:
        raise ValueError("it ends within its header")
    shape: tuple[int, ...] = header.unpack_from(content)
    held = len(content) - header.size
    if held != prod(shape):
        raise ValueError(f"its header names {prod(shape)} bytes, and {held} follow")
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)
