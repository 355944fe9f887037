"""What Python 2 wrote: pickles of protocol 2 whose texts are bytes, put together by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np


def dumps(value: Any) -> bytes:
    """Return a pickle of dictionaries, lists, texts, numbers and arrays, as ``cPickle`` wrote it.

    Texts are bytes in Python 2: each character must be one of Latin-1.
    """
    return b"\x80\x02" + operations(value) + b"."


def operations(value: Any) -> bytes:
    """Return the operations that put a value on the stack."""
    return WRITERS[type(value)](value)


def text(value: str) -> bytes:
    """Return the operation that puts a text on the stack, with its length in a byte or in four."""
    content = value.encode("latin1")
    if len(content) < 256:
        return b"U" + bytes([len(content)]) + content
    return b"T" + struct.pack("<i", len(content)) + content


def several(values: Iterable[Any]) -> bytes:
    """Return the operations that put values on the stack."""
    return b"".join(map(operations, values))


def array(value: np.ndarray[Any, Any]) -> bytes:
    """Return the operations that put an array on the stack."""
    code, order = value.dtype.str[1:], value.dtype.str[0]
    by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
    content = value.tobytes("F" if by_columns else "C").decode("latin1")
    return b"".join(
        (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n",
            operations((0,)) + operations("b") + b"\x87R",
            b"(" + operations(1) + operations(value.shape),
            b"cnumpy\ndtype\n" + operations(code) + operations(0) + operations(1) + b"\x87R",
            operations((3, order, None, None, None, -1, -1, 0)) + b"b",
            operations(bool(by_columns)) + operations(content) + b"tb",
        )
    )


WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"\x88" if value else b"\x89",
    int: lambda value: b"J" + struct.pack("<i", value),
    float: lambda value: b"G" + struct.pack(">d", value),
    str: text,
    tuple: lambda value: b"(" + several(value) + b"t",
    list: lambda value: b"](" + several(value) + b"e",
    dict: lambda value: b"}(" + several(chain.from_iterable(value.items())) + b"u",
    np.ndarray: array,
}
