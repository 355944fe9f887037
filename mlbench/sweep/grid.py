"""Grids of runs, written in TOML: lists are choices, and every combination is a run.

A file has a ``title``, a table ``[defaults]`` and any number of ``[[grid]]`` tables, each of which
overrides the defaults; or ``runs_of``, the name of a bundled grid whose runs it shares. ``set``
holds hyperparameters and options by name, as ``--set`` takes them; an array of such tables is one
choice between them, for settings that vary together. A list within a list is one value:
``hidden = [[20, 20], [40]]`` tries two.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, product
from math import prod
from typing import Any, get_args

from mlbench.errors import MisuseError
from mlbench.notation import parse_seeds, value_text
from mlbench.run.setup import Request
from mlbench.run.spec import BudgetName, Precision, ProtocolName

ARROW = "->"
MOST_RUNS = 100_000
WORDS: dict[str, tuple[str, ...]] = {
    "protocol": get_args(ProtocolName),
    "budget": tuple(name for name in get_args(BudgetName) if name != "custom"),
    "precision": get_args(Precision),
}
LEAST = {
    "ways": 2,
    "shots": 1,
    "queries": 1,
    "train_tasks": 0,
    "validation_tasks": 1,
    "validate_every": 1,
    "test_tasks": 1,
}
"""The numbers that a grid may give, and the least that each can be."""
KEYS = ("algorithm", "train", "eval", "pairs", *LEAST, *WORDS, "seeds", "set")


@dataclass(frozen=True)
class Cell:
    """Runs that differ in nothing but their seed.

    Args:
        request: What is asked for, its seed left at 0.
        seeds: Of the runs.
        varied: The settings by which it differs from other cells of its table, for its label.
    """

    request: Request
    seeds: tuple[int, ...]
    varied: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return what the runs are, in a line: ``maml, mini → cub, 5-shot, inner_lr=0.01``."""
        asked = self.request
        data = " → ".join(filter(None, (asked.train, ", ".join(asked.evals))))
        ways = f"{asked.ways}-way " if asked.ways else ""
        further = [f"{name}={asked.settings[name]}" for name in self.varied]
        if asked.protocol != "corrected":
            further.append(asked.protocol)
        return ", ".join([asked.algorithm, data, f"{ways}{asked.shots}-shot", *further])


@dataclass(frozen=True)
class Grid:
    """What a file describes.

    Args:
        name: Of the file, or of the bundled grid.
        title: What it is for, in a line.
        cells: In the order in which they are to be run.
        runs_of: The bundled grid whose runs these are, where it has none of its own.
    """

    name: str
    title: str
    cells: tuple[Cell, ...] = field(repr=False)
    runs_of: str | None = None


def parse_grid(text: str, name: str) -> Grid:
    """Return the grid that a text in TOML describes.

    Args:
        text: The content of a file.
        name: What to call it in errors.

    Raises:
        MisuseError: It is not TOML, or something in it is unknown, of the wrong type, or empty.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MisuseError(f"{name} is not TOML: {' '.join(str(error).split())}; mend it") from error
    check_names(document, ("title", "runs_of", "defaults", "grid"), name)
    title = document.get("title", "")
    if not isinstance(title, str):
        raise MisuseError(f"{name}: title is no text; write it in quotes")
    title = " ".join(title.split())
    if "runs_of" in document:
        (source,) = texts(document["runs_of"], f"{name}: runs_of")[:1]
        if set(document) & {"defaults", "grid"}:
            raise MisuseError(f"{name} has runs of its own and those of {source}; leave one out")
        return Grid(name, title, (), source)
    defaults = document.get("defaults", {})
    tables = document.get("grid", [])
    if not isinstance(defaults, dict):
        raise MisuseError(f"{name}: defaults is no table; write it as [defaults]")
    if not (isinstance(tables, list) and tables and all(isinstance(t, dict) for t in tables)):
        raise MisuseError(f"{name} has no [[grid]] table, and so no runs; add one")
    cells: list[Cell] = []
    runs = 0
    for number, table in enumerate(tables, 1):
        where = f"{name}, grid {number}"
        for found in table_cells(overridden(defaults, table), where):
            cells.append(found)
            runs += len(found.seeds)
            if runs > MOST_RUNS:
                raise MisuseError(f"{where}: more than {MOST_RUNS} runs; write several files")
    return Grid(name, title, tuple(cells))


def overridden(defaults: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the defaults of what it does not say."""
    chosen = dict(defaults)
    if "pairs" in table:
        chosen = {key: value for key, value in chosen.items() if key not in {"train", "eval"}}
    if "train" in table:
        chosen.pop("pairs", None)
    if isinstance(table.get("set"), dict) and isinstance(chosen.get("set"), dict):
        table = {**table, "set": {**chosen["set"], **table["set"]}}
    return {**chosen, **table}


def table_cells(table: Mapping[str, Any], where: str) -> Iterator[Cell]:
    """Yield the cells of one table: every combination of its choices."""
    check_names(table, KEYS, where)
    if "algorithm" not in table:
        raise MisuseError(f"{where} has no algorithm; name one or more")
    algorithms = texts(table["algorithm"], f"{where}: algorithm")
    axes: dict[str, list[Any]] = {}
    for key, least in LEAST.items():
        if key in table:
            axes[key] = counts(table[key], least, f"{where}: {key}")
    for key, words in WORDS.items():
        if key in table:
            axes[key] = texts(table[key], f"{where}: {key}")
            for word in axes[key]:
                if word not in words:
                    raise MisuseError(f"{where}: {key} {word!r} is none of {', '.join(words)}")
    seeds = seeds_of(table.get("seeds", [0]), f"{where}: seeds")
    choices = list(settings_of(table.get("set", {}), f"{where}: set"))
    names = dict.fromkeys(chain.from_iterable(choices))
    varied = tuple(name for name in names if len({choice.get(name) for choice in choices}) > 1)
    for (train, evals), *numbers, settings, algorithm in product(
        pairs_of(table, where), *axes.values(), choices, algorithms
    ):
        asked: dict[str, Any] = dict(zip(axes, numbers, strict=True))
        request = Request(algorithm=algorithm, train=train, evals=evals, settings=settings, **asked)
        yield Cell(request, seeds, tuple(name for name in varied if name in settings))


def pairs_of(table: Mapping[str, Any], where: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return what to train on, each with what to test on besides."""
    if ("pairs" in table) == ("train" in table) or ("eval" in table and "pairs" in table):
        raise MisuseError(
            f"{where}: give either train, with eval or without, or pairs such as 'mini -> cub'"
        )
    found = []
    if "train" in table:
        evals = texts(table.get("eval", []), f"{where}: eval", empty=True)
        trains = texts(table["train"], f"{where}: train")
        return [(train, tuple(name for name in evals if name != train)) for train in trains]
    for pair in texts(table["pairs"], f"{where}: pairs"):
        train, arrow, others = pair.partition(ARROW)
        evals = [name.strip() for name in others.split(",")]
        if not (train.strip() and arrow and all(evals)):
            raise MisuseError(f"{where}: pair {pair!r} is not of the form 'mini -> cub'")
        found.append((train.strip(), tuple(dict.fromkeys(evals))))
    return found


def settings_of(value: Any, where: str) -> Iterator[dict[str, str]]:
    """Yield every combination of settings, as texts by name."""
    tables = value if isinstance(value, list) else [value]
    if not tables:
        raise MisuseError(f"{where} is an empty list; leave it out")
    for table in tables:
        if not isinstance(table, dict):
            raise MisuseError(f"{where} is no table of NAME = VALUE, nor a list of such tables")
        flat = dict(flattened(table))
        choices = [
            [setting_text(one, f"{where}: {name}") for one in choices_of(choice)]
            for name, choice in flat.items()
        ]
        for name, texts_ in zip(flat, choices, strict=True):
            if not texts_:
                raise MisuseError(f"{where}: {name} is an empty list, and so there are no runs")
        if prod(map(len, choices)) > MOST_RUNS:
            raise MisuseError(f"{where}: more than {MOST_RUNS} combinations; write several files")
        for chosen in product(*choices):
            yield dict(zip(flat, chosen, strict=True))


def flattened(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield settings by name; ``learner.channels`` may be a name in quotes, or a table in one."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in flattened(value))
        else:
            yield name, value


def choices_of(value: Any) -> list[Any]:
    """Return the choices for one value: those of a list, or it alone."""
    return value if isinstance(value, list) else [value]


def setting_text(value: Any, where: str) -> str:
    """Return a value as ``--set`` takes it: a scalar, or several, but none within another."""
    if isinstance(value, list):
        if any(isinstance(part, list) for part in value):
            raise MisuseError(
                f"{where} holds lists in a list of a list; write one value as a scalar or one list"
            )
        return value_text(tuple(setting_text(part, where) for part in value))
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return value_text(value)
    raise MisuseError(f"{where} holds {value!r}; give a number, a truth or a text in quotes")


def seeds_of(value: Any, where: str) -> tuple[int, ...]:
    """Return seeds, each once: of a text such as ``0-4``, or of a list."""
    remedy = "write '0-4', '0,2,7' or [0, 2, 7]"
    if isinstance(value, str):
        try:
            ranges = parse_seeds(value)
        except ValueError as error:
            raise MisuseError(f"{where}: {error}; {remedy}") from error
        if sum(map(len, ranges)) > MOST_RUNS:
            raise MisuseError(f"{where}: more than {MOST_RUNS}; write fewer")
        return tuple(dict.fromkeys(chain.from_iterable(ranges)))
    if not isinstance(value, list) or not value:
        raise MisuseError(f"{where} are no list; {remedy}")
    return tuple(dict.fromkeys(counts(value, 0, where)))


def counts(value: Any, least: int, where: str) -> list[int]:
    """Return whole numbers: one, or those of a list."""
    found = choices_of(value)
    if not found or any(type(one) is not int or not least <= one < 2**63 for one in found):
        raise MisuseError(
            f"{where} = {value!r}: give a whole number of {least} or more, or a list of such"
        )
    return list(dict.fromkeys(found))


def texts(value: Any, where: str, *, empty: bool = False) -> list[str]:
    """Return names: one, or those of a list."""
    found = choices_of(value)
    if any(not isinstance(one, str) or not one.strip() for one in found) or not (found or empty):
        raise MisuseError(f"{where} = {value!r}: give a name in quotes, or a list of names")
    return list(dict.fromkeys(found))


def check_names(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse a table with a name that means nothing."""
    for name in table:
        if name not in known:
            raise MisuseError(f"{where}: {name!r} is unknown; there are: {', '.join(known)}")
