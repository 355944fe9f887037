"""Read pickles without running them: data come out, code does not go in.

``pickle.load`` runs whatever a file asks for. Here a pickle's operations are interpreted one by one
(:mod:`pickletools` takes them apart), and the only things that can come out are dictionaries,
lists, tuples, texts, numbers and arrays of numbers; a file that names anything else is refused. The
bytes of an array stay in their file until they are asked for, so a pickle may exceed memory.

Protocols 2 to 5; what Python 2 wrote is read as ``encoding="latin1"`` does.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from mlbench.errors import DataError
from mlbench.images.pickled import Extent, PickledArray

LARGE = 1 << 16  # bytes from which a string of bytes stays in the file
BYTEARRAY8, BINBYTES8 = b"\x96", b"\x8e"
LEFT_IN_FILE = (b"T", b"B", BINBYTES8)  # the first two are BINSTRING and BINBYTES
MARK = object()
ELEMENTS = re.compile(r"[biuf]\d{1,2}")  # booleans, integers and floats, and their bytes
KEYS = (str, bytes, int, float, np.generic, type(None))
SHOWN = 200  # characters of what a file says that a message repeats


class RefusedError(Exception):
    """A pickle asks for what data do not need."""


class ElementType:
    """The type of an array's elements; numpy gives its byte order afterwards."""

    def __init__(self, name: Any) -> None:
        if not ELEMENTS.fullmatch(text_of(name)):
            raise RefusedError(f"elements of type {name}")
        self.dtype = np.dtype(name)


@dataclass(frozen=True)
class Name:
    """Something outside of the pickle that it names."""

    text: str


class Reader:
    """What :mod:`pickletools` reads from; long strings of bytes are passed over."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path = path
        self.file = file
        self.size = path.stat().st_size
        self.opcode = b""

    def next_operation(self) -> None:
        """Note that the operation has been read."""
        self.opcode = b""

    def read(self, length: int) -> bytes | Extent:
        """Return bytes, or where they are."""
        if length >= LARGE and self.opcode in LEFT_IN_FILE:
            start = self.file.tell()
            if start + length > self.size:
                return b""  # which pickletools tells as a file that is cut off
            self.file.seek(length, 1)
            return Extent(self.path, start, length)
        content = self.file.read(length)
        if not self.opcode:
            # pickletools would copy a bytearray, which differs from bytes in its operation only.
            self.opcode = content = BINBYTES8 if content == BYTEARRAY8 else content
        return content

    def readline(self) -> bytes:
        """Return a line."""
        return self.file.readline()

    def tell(self) -> int:
        """Return the place in the file."""
        return self.file.tell()


def unpickle(path: Path) -> Any:
    """Return what a pickle holds; its arrays as :class:`PickledArray`.

    Raises:
        DataError: It is damaged, or asks for anything but data; nothing of it was run.
    """
    try:
        with path.open("rb") as file:
            return interpret(Reader(path, file))
    except RefusedError as err:
        raise DataError(
            f"{path} asks for {shown(err)}, which a data set has no use for; nothing of it was run:"
            " get the file from somebody you trust"
        ) from err
    except OSError as err:
        raise DataError(f"{path} cannot be read ({err.strerror}); make it readable") from err
    except Exception as err:  # a file may hold anything
        raise DataError(
            f"{path} is no pickle, or is damaged ({shown(err)}); restore it from the original"
        ) from err


def shown(err: Exception) -> str:
    """Return what went wrong, short and printable: parts of it are the file's own words."""
    text = str(err) or type(err).__name__
    return "".join(each if each.isprintable() else "?" for each in text[:SHOWN])


def interpret(reader: Reader) -> Any:
    """Return what a pickle's operations leave on the stack."""
    stack = Stack()
    for opcode, argument, _ in pickletools.genops(reader):  # type: ignore[arg-type]
        if opcode.name in LITERALS:
            stack.values.append(argument)
        elif opcode.name in OPERATIONS:
            OPERATIONS[opcode.name](stack, argument)
        elif opcode.name not in {"PROTO", "FRAME", "STOP"}:
            of_what = f" of {argument}" if isinstance(argument, str) else ""
            raise RefusedError(f"the operation {opcode.name}{of_what}")
        reader.next_operation()
    return stack.pop()


class Stack:
    """What a pickle works with: a stack of values, and a memory of some of them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.memory: dict[int, Any] = {}

    def pop(self) -> Any:
        """Take the top."""
        return self.values.pop()

    def since_mark(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        place = next(i for i in reversed(range(len(self.values))) if self.values[i] is MARK)
        items = self.values[place + 1 :]
        del self.values[place:]
        return items

    def group(self, count: int) -> None:
        """Make a tuple of the topmost values."""
        place = len(self.values) - count
        self.values[place:] = [tuple(self.values[place:])]

    def remember(self, place: int | None) -> None:
        """Remember the top."""
        self.memory[len(self.memory) if place is None else place] = self.values[-1]

    def update(self, items: list[Any]) -> None:
        """Put keys and values into the dictionary on top."""
        for key in items[::2]:
            # Nested tuples would be hashed as often as each is reached, which may take for ever.
            if not isinstance(key, KEYS):
                raise RefusedError(f"a key of type {type(key).__name__}")
        self.values[-1].update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        """Put items at the end of the list on top."""
        self.values[-1].extend(items)

    def new_dictionary(self, items: list[Any]) -> None:
        """Put a dictionary of keys and values on top."""
        self.values.append({})
        self.update(items)

    def call(self) -> None:
        """Put in the place of a name and its arguments what the call stands for."""
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Name) or name.text not in CALLS:
            what = name.text if isinstance(name, Name) else f"a value of type {type(name).__name__}"
            raise RefusedError(f"a call of {what}")
        self.values.append(CALLS[name.text](*arguments))

    def build(self) -> None:
        """Give the array or the type on top its state."""
        state, target = self.pop(), self.values[-1]
        if isinstance(target, ElementType):
            target.dtype = target.dtype.newbyteorder(state[1])
        elif isinstance(target, PickledArray):
            _, shape, kind, by_columns, content = state
            fill(target, kind, shape, "F" if by_columns else "C", content)
        else:
            raise RefusedError(f"a state for {type(target).__name__}")


def text_of(value: Any) -> str:
    """Return a text; anything else is refused, and not put into words: that might not end."""
    if not isinstance(value, str):
        raise RefusedError(f"a value of type {type(value).__name__} as a name")
    return value


def named(module: Any, name: Any) -> Name:
    """Return what stands for a name, if it is one that data need."""
    text = f"{text_of(module)}.{text_of(name)}"
    if text not in CALLS and text != "numpy.ndarray":
        raise RefusedError(text)
    return Name(text)


def scalar(kind: ElementType, content: Any) -> Any:
    """Return one number."""
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, kind.dtype)[0]


def from_buffer(
    content: Any, kind: ElementType, shape: Any, order: str, axes: Any = None
) -> PickledArray:
    """Return an array as protocol 5 has it."""
    made = PickledArray()
    fill(made, kind, shape, order, content, axes)
    return made


def fill(
    target: PickledArray, kind: ElementType, shape: Any, order: str, content: Any, axes: Any = None
) -> None:
    """Fill an array stored by rows (``C``), by columns (``F``) or by other axes (``K``)."""
    if order == "F":
        shape, axes = shape[::-1], range(len(shape))[::-1]
    target.fill(kind.dtype, shape, content, axes)


def encoded(text: Any, encoding: Any) -> bytes:
    """Return bytes that Python 3 wrote as a text, for Python 2 to read."""
    if text_of(encoding) != "latin1":
        raise RefusedError(f"the encoding {encoding}")
    return text_of(text).encode("latin1")


CALLS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": lambda name, *_: ElementType(name),
    "_codecs.encode": encoded,
    "__builtin__.bytes": lambda: b"",  # as Python 3 writes it for Python 2
}
"""What a pickle may call, and what is done in place of that."""
for _core in ("numpy.core", "numpy._core"):
    CALLS[f"{_core}.multiarray._reconstruct"] = lambda *_: PickledArray()
    CALLS[f"{_core}.multiarray.scalar"] = scalar
    CALLS[f"{_core}.numeric._frombuffer"] = from_buffer

WORDS = """
    INT LONG LONG1 LONG4 BININT BININT1 BININT2 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
"""
LITERALS = frozenset(WORDS.split())
"""Operations that put their argument on the stack."""

OPERATIONS: dict[str, Callable[[Stack, Any], Any]] = {
    "NONE": lambda stack, _: stack.values.append(None),
    "NEWTRUE": lambda stack, _: stack.values.append(True),
    "NEWFALSE": lambda stack, _: stack.values.append(False),
    "MARK": lambda stack, _: stack.values.append(MARK),
    "EMPTY_DICT": lambda stack, _: stack.values.append({}),
    "EMPTY_LIST": lambda stack, _: stack.values.append([]),
    "EMPTY_TUPLE": lambda stack, _: stack.values.append(()),
    "POP": lambda stack, _: stack.pop(),
    "POP_MARK": lambda stack, _: stack.since_mark(),
    "DICT": lambda stack, _: stack.new_dictionary(stack.since_mark()),
    "LIST": lambda stack, _: stack.values.append(stack.since_mark()),
    "TUPLE": lambda stack, _: stack.values.append(tuple(stack.since_mark())),
    "TUPLE1": lambda stack, _: stack.group(1),
    "TUPLE2": lambda stack, _: stack.group(2),
    "TUPLE3": lambda stack, _: stack.group(3),
    "APPEND": lambda stack, _: stack.extend([stack.pop()]),
    "APPENDS": lambda stack, _: stack.extend(stack.since_mark()),
    "SETITEM": lambda stack, _: stack.update([stack.pop(), stack.pop()][::-1]),
    "SETITEMS": lambda stack, _: stack.update(stack.since_mark()),
    "PUT": lambda stack, place: stack.remember(place),
    "BINPUT": lambda stack, place: stack.remember(place),
    "LONG_BINPUT": lambda stack, place: stack.remember(place),
    "MEMOIZE": lambda stack, _: stack.remember(None),
    "GET": lambda stack, place: stack.values.append(stack.memory[place]),
    "BINGET": lambda stack, place: stack.values.append(stack.memory[place]),
    "LONG_BINGET": lambda stack, place: stack.values.append(stack.memory[place]),
    "GLOBAL": lambda stack, words: stack.values.append(named(*words.split(" ", 1))),
    "STACK_GLOBAL": lambda stack, _: stack.values.append(named(*[stack.pop(), stack.pop()][::-1])),
    "REDUCE": lambda stack, _: stack.call(),
    "BUILD": lambda stack, _: stack.build(),
}
