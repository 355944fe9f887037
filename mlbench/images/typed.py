"""Whether values read from JSON are what their annotations say."""

from __future__ import annotations

import types
from dataclasses import is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints


def is_of(value: object, hint: Any) -> bool:
    """Return whether a value is of an annotated type, and all within it."""
    arguments = get_args(hint)
    match get_origin(hint) or hint:
        case types.UnionType:
            return any(is_of(value, argument) for argument in arguments)
        case kind if kind is Literal:
            return type(value) is str and value in arguments
        case kind if kind is tuple:
            return type(value) is tuple and all(is_of(each, arguments[0]) for each in value)
        case kind if kind is dict:
            return type(value) is dict and all(
                is_of(name, arguments[0]) and is_of(each, arguments[1])
                for name, each in value.items()
            )
        case kind if is_dataclass(kind):
            return type(value) is kind and all(
                is_of(getattr(value, name), each) for name, each in get_type_hints(kind).items()
            )
        case kind:
            return type(value) is kind
