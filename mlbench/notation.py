"""How values are written: from text to value by its type, and back.

The types are ``int``, ``float`` (finite), ``bool``, ``str``, ``Literal``, ``tuple`` of these, and
any of these ``| None``. A type is given as ``typing.get_type_hints`` returns it.
"""

from __future__ import annotations

import sys
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LAST_SEED = 2**62  # more could not be recorded
UNIONS: tuple[Any, ...] = (Union, UnionType)


def parse_text(text: str, kind: Any) -> Any:
    """Return the value that a text has as a type.

    Raises:
        ValueError: The text is not of that type.
    """
    text = text.strip()
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in (int, float, str):
        return kind(text)
    if origin in UNIONS:
        # None first: "none" is a fine str, yet means None where None is admissible.
        for choice in sorted(arguments, key=lambda choice: choice is not NoneType):
            try:
                return parse_text(text, choice)
            except ValueError:
                continue
    if origin is tuple:
        inside = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text
        parts = inside.strip().removesuffix(",").split(",") if inside.strip() else []
        return tuple(map(parse_text, parts, _elements(arguments, len(parts))))
    words: dict[str, Any] = {}
    if origin is Literal:
        words = {value_text(choice): choice for choice in arguments}
    elif kind in (bool, NoneType):
        text = text.lower()
        words = TRUTHS if kind is bool else {"none": None}
    return words[text] if text in words else _refuse(text)


def option_name(field: str) -> str:
    """Return the option that sets a field: ``--test-tasks`` for ``test_tasks``."""
    return f"--{field.replace('_', '-')}"


def parse_seeds(text: str) -> list[range]:
    """Return the seeds of a text such as ``0-4`` or ``0,2,7``, a range for each of its parts.

    Raises:
        ValueError: The text is not of that form; it says so in words.
    """
    ranges = []
    for part in map(str.strip, text.split(",")):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{text!r} is not of the form 0-4 or 0,2,7")
        seeds = range(int(first), int(last or first) + 1)
        if not seeds:
            raise ValueError(f"{part!r} runs backwards")
        if seeds[-1] > LAST_SEED:
            raise ValueError(f"{part[:30]!r} goes beyond the last seed, {LAST_SEED}")
        ranges.append(seeds)
    return ranges


def conform(value: Any, kind: Any) -> Any:
    """Return a value that is of a type, integers widened where it is ``float``.

    Raises:
        ValueError: The value is not of that type, or a float that is not finite.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    if kind in (int, bool, str, NoneType) and type(value) is kind:
        return value
    if origin is Literal and any(type(value) is type(c) and value == c for c in arguments):
        return value
    if origin in UNIONS:
        for choice in arguments:
            try:
                return conform(value, choice)
            except ValueError:
                continue
    if origin is tuple and isinstance(value, tuple):
        return tuple(map(conform, value, _elements(arguments, len(value))))
    return _refuse(value)


def value_text(value: Any) -> str:
    """Return a value as a user writes it: ``true``, ``none``, ``20,20``, ``0.01``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(value_text, value)) or "()"
    return str(value)


def kind_text(kind: Any) -> str:
    """Return a type as a user reads it: ``float``, ``int,...``, ``true|false``, ``int|none``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "|".join(map(value_text, arguments))
    if origin in UNIONS:
        return "|".join(map(kind_text, arguments))
    if origin is tuple:
        return ",".join("..." if part is Ellipsis else kind_text(part) for part in arguments)
    return {bool: "true|false", NoneType: "none"}.get(kind, getattr(kind, "__name__", str(kind)))


def _elements(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """Return the types of a tuple's elements, or raise ValueError where ``count`` is wrong."""
    if arguments[1:] == (Ellipsis,):
        return (arguments[0],) * count
    return arguments if len(arguments) == count else _refuse(count)


def _refuse(value: Any) -> NoReturn:
    """Raise ValueError; callers say in words what was expected."""
    raise ValueError(value)
