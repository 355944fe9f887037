"""Arrays that were pickled: their bytes stay in the file until they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Extent:
    """Bytes that stay in their file.

    Args:
        path: The file.
        offset: Where they begin.
        length: How many there are.
    """

    path: Path
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def decode(self, *_: str) -> Extent:
        """Return these bytes; Python 2 called them a text."""
        return self

    def read(self, start: int, length: int) -> bytes:
        """Return some of the bytes."""
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            return file.read(length)


class PickledArray:
    """An array of numbers; large ones are read from the pickle as they are asked for.

    Attributes:
        stored: The shape in which its bytes lie, the last axis the fastest.
        axes: Which of those axes are the array's, in its order.
    """

    def __init__(self) -> None:
        self.dtype: np.dtype[Any] = np.dtype("u1")
        self.stored: tuple[int, ...] = ()
        self.axes: tuple[int, ...] = ()
        self.content: bytes | Extent = b"\0"

    def fill(
        self, dtype: np.dtype[Any], stored: Sequence[Any], content: Any, axes: Any = None
    ) -> None:
        """Take in what numpy wrote of an array.

        Raises:
            ValueError: The bytes are not as many as the shape says, or the axes are others.
        """
        self.dtype = dtype
        self.stored = tuple(map(int, stored))
        self.axes = tuple(range(len(self.stored))) if axes is None else tuple(axes)
        self.content = content.encode("latin1") if isinstance(content, str) else content
        if sorted(self.axes) != list(range(len(self.stored))):
            raise ValueError(f"an array of {len(self.stored)} dimensions has other axes")
        expected = prod(self.stored) * dtype.itemsize
        if min(self.stored, default=0) < 0 or len(self.content) != expected:
            raise ValueError(f"an array of shape {self.shape} has {len(self.content)} bytes")

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the array's shape."""
        return tuple(self.stored[axis] for axis in self.axes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return one row; where the bytes of a row lie together, nothing else is read."""
        if not 0 <= index < len(self):
            raise IndexError(f"the array has {len(self)} rows, no {index}")
        if self.axes[0] != 0:
            return np.array(self._mapped()[index])
        length = prod(self.stored[1:]) * self.dtype.itemsize
        start = index * length
        content = self.content
        if isinstance(content, Extent):
            row = content.read(start, length)
        else:
            row = content[start : start + length]
        array: NDArray[Any] = np.frombuffer(row, self.dtype)
        return array.reshape(self.stored[1:]).transpose([axis - 1 for axis in self.axes[1:]])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole array."""
        return np.array(self._mapped(), dtype)

    def _mapped(self) -> NDArray[Any]:
        """Return the whole array; what lies in a file is read where it is looked at."""
        content = self.content
        flat: NDArray[Any]
        if isinstance(content, Extent):
            flat = np.memmap(content.path, self.dtype, "r", content.offset, self.stored)
        else:
            flat = np.frombuffer(content, self.dtype).reshape(self.stored)
        return flat.transpose(self.axes)
