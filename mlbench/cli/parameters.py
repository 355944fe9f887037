"""Parameter types and options that several verbs share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from mlbench.amounts import parse_bytes, parse_duration
from mlbench.notation import parse_seeds
from mlbench.plugins import Kind
from mlbench.printable import printable
from mlbench.registry import find_plugin, find_plugins
from mlbench.store.paths import DATABASE

F = TypeVar("F", bound=Callable[..., Any])
TYPEABLE = re.compile(r"\w[\w.+-]*")


def typeable(names: Iterable[str]) -> list[str]:
    """Return the names that a shell may put into a command line, which it runs as it stands."""
    return [name for name in names if TYPEABLE.fullmatch(name)]


class PluginName(click.ParamType[str]):
    """The name of an installed plugin; completes in the shell."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.removesuffix("s")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a name that no plugin has, before anything heavy is imported."""
        return find_plugin(self.kind, value).name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the plugins whose names begin as typed."""
        plugins = find_plugins(self.kind)
        return [
            CompletionItem(name, help=printable(plugins[name].summary))
            for name in typeable(plugins)
            if name.startswith(incomplete)
        ]


class Setting(click.ParamType[tuple[str, str]]):
    """One ``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not of the form NAME=VALUE.", param, ctx)
        return name.strip(), text


class Seeds(click.ParamType[tuple[int, ...]]):
    """Seeds, as ``0-4`` or ``0,2,7``."""

    name = "SEEDS"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Return each seed once, in the order given."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(chain.from_iterable(parse_seeds(value))))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class PerClass(click.ParamType[int]):
    """How many examples each class has: one number, for classes of an episode have as many."""

    name = "integer"

    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return the number."""
        text = str(value).strip()
        if any(mark in text for mark in ",/; "):
            self.fail(
                f"{text!r} would give classes different numbers, and every class of an episode has"
                " as many; give one number.",
                param,
                ctx,
            )
        if not text.isdecimal() or int(text) < 1:
            self.fail(f"{text!r} is no whole number of 1 or more.", param, ctx)
        return int(text)


class Duration(click.ParamType[float]):
    """A length of time, as ``4h`` or ``1h30m``; in seconds."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        try:
            return value if isinstance(value, float) else parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Amount(click.ParamType[int]):
    """An amount of memory, as ``8G`` or ``500M``; in bytes."""

    name = "SIZE"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes."""
        try:
            return value if isinstance(value, int) else parse_bytes(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def database_option(function: F) -> F:
    """Add ``--db``, which a command takes as ``database: Path``."""
    option = click.option(
        "--db",
        "database",
        type=click.Path(dir_okay=False, path_type=Path),
        default=DATABASE,
        show_default=True,
        help="The database.",
    )
    return option(function)
