"""What a plugin says of itself, and what its hyperparameters refuse."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mlbench.check.finding import BreachError
from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, Limits, Situation
from mlbench.notation import UNIONS, value_text

COUNTED = re.compile(r"(^|_)(steps?|batch|size|units|hidden|lr|rate|rates|channels|classes)(_|$)")
NONSENSE = "?!"


def check_words(cls: type, source: str, hyper: type[Hyper]) -> None:
    """Refuse what ``mlbench list`` and ``mlbench describe`` would show as blanks.

    Args:
        cls: The plugin.
        source: What it says of where it comes from.
        hyper: Its hyperparameters or options.
    """
    module = inspect.getmodule(cls)
    if not ((module and module.__doc__) or "").strip():
        raise BreachError("its file has no docstring")
    if not (cls.__dict__.get("__doc__") or "").strip():
        raise BreachError(f"class {cls.__name__} has no docstring")
    if not source.strip():
        raise BreachError("it names no source")
    for each in hyper.describe():
        if not each.help.strip() or "\n" in each.help:
            raise BreachError(
                f"{each.name} of {hyper.__name__} has no line of help",
                f'declare it {each.name}: {each.type} = hp({each.default}, "what it is")',
            )


def check_refusals(hyper: type[Hyper]) -> None:
    """Try what must be refused, and what must not."""
    for situation in (None, *get_args(Situation)):
        hyper.parse({}, situations=(situation,) if situation else ())
    shown = {each.name: each.default for each in hyper.describe()}
    if hyper.parse(shown) != hyper() or hyper.from_values(hyper().values()) != hyper():
        raise BreachError(f"{hyper.__name__} does not read back the defaults that it shows")
    refuse(hyper, "no_such_hyperparameter", "1")
    kinds = get_type_hints(hyper)
    for each in fields(hyper):
        limits: Limits = each.metadata.get("limits", Limits())
        for text in dict.fromkeys(misfits(each.name, kinds[each.name], limits)):
            refuse(hyper, each.name, text)


def refuse(hyper: type[Hyper], name: str, text: str) -> None:
    """Raise a breach unless a setting is refused in one line."""
    try:
        hyper.parse({name: text}, owner="it")
    except MisuseError as refusal:
        if "\n" in str(refusal):
            raise BreachError(f"the refusal of {name}={text} has more than one line") from None
        return
    raise BreachError(
        f"{hyper.__name__} takes {name}={text}",
        f'give {name} limits, as in hp(..., "...", above=0) or at_least=1',
    )


def misfits(name: str, kind: Any, limits: Limits) -> Iterator[str]:
    """Yield texts that a field must refuse: of another type, or out of range."""
    if str not in scalars(kind):
        yield NONSENSE
    numeric = {int, float} & scalars(kind)
    if not numeric:
        return
    if limits.one_of is not None:
        yield value_text(1 + max(choice for choice in limits.one_of if choice is not None))
    elif COUNTED.search(name):
        yield "-1"  # no count or rate may be negative, whatever its limits say
    if float not in numeric:
        yield "0.5"
    yield "nan"
    edges = (
        (limits.at_least, -1),
        (limits.above, 0),
        (limits.at_most, 1),
        (limits.below, 0),
    )
    for edge, beyond in edges:
        if edge is not None:
            value = edge + beyond
            yield value_text(int(value) if float(value).is_integer() else value)


def scalars(kind: Any) -> set[Any]:
    """Return the plain types that a declared type admits, elements of tuples included."""
    origin = get_origin(kind)
    if origin is Literal:
        return set()
    if origin is tuple or origin in UNIONS:
        parts = (part for part in get_args(kind) if part not in (Ellipsis, NoneType))
        return set().union(*map(scalars, parts))
    return {kind}
