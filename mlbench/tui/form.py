"""What is filled in to start a run, and the command line that it amounts to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import chain

from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, hp
from mlbench.notation import option_name, parse_seeds

MORE = "more"  # the field of further --set
SEEDS = "seeds"
HYPERPARAMETER = "set:"  # begins the names of fields that are hyperparameters


@dataclass(frozen=True, kw_only=True)
class Numbers(Hyper):
    """What is asked for in numbers; ``None`` leaves a choice to the paper's defaults."""

    ways: int | None = hp(None, "classes per episode", at_least=2)
    shots: int = hp(5, "support examples of a class", at_least=1)
    queries: int | None = hp(None, "query examples of a class", at_least=1)
    seeds: str = hp("0", "one run for each: 0-4 or 0,2,7")
    train_tasks: int | None = hp(None, "tasks of meta-training", at_least=0)
    validation_tasks: int | None = hp(None, "tasks of each validation", at_least=1)
    validate_every: int | None = hp(None, "training tasks from one to the next", at_least=1)
    test_tasks: int | None = hp(None, "tasks of the test on a data set", at_least=1)
    threads: int | None = hp(None, "auto: all cores; regression: 1", at_least=1)


NUMBERS = tuple(field.name for field in fields(Numbers))
"""What is asked for in numbers, in the order of a command line."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What stands in the form.

    Args:
        numbers: Texts by field of :class:`Numbers`; what is not there is left to its default.
        settings: Texts by hyperparameter of the technique, likewise.
        more: Further settings as ``--set`` takes them, with spaces between.
        again: Whether to run a spec that has its result.
    """

    algorithm: str
    train: str
    evals: tuple[str, ...] = ()
    protocol: str = "corrected"
    budget: str = "quick"
    numbers: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    again: bool = False

    @property
    def further(self) -> tuple[str, ...]:
        """Return each of the further settings, as far as their quotes match."""
        try:
            return tuple(shlex.split(self.more))
        except ValueError:
            return tuple(self.more.split())

    @property
    def cross(self) -> tuple[str, ...]:
        """Return the data sets of the cross-domain test."""
        return tuple(name for name in self.evals if name != self.train)


def given(texts: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that say something else than the defaults do."""
    stripped = {name: text.strip() for name, text in texts.items()}
    return {name: text for name, text in stripped.items() if text not in ("", defaults.get(name))}


def arguments(values: Values, defaults: Mapping[str, str]) -> tuple[str, ...]:
    """Return what to write after ``mlbench run``: what differs from the defaults, and the budget.

    Args:
        values: The form.
        defaults: Texts by field; :data:`HYPERPARAMETER` and its name for a hyperparameter.
    """
    numbers = given(values.numbers, defaults)
    options = [(option_name(name), numbers[name]) for name in NUMBERS if name in numbers]
    options = [("--seed" if o == "--seeds" and t.isdecimal() else o, t) for o, t in options]
    own = {f"{HYPERPARAMETER}{name}": text for name, text in values.settings.items()}
    settings = [
        f"{name.removeprefix(HYPERPARAMETER)}={text}" for name, text in given(own, defaults).items()
    ]
    pairs = [
        ("--train", values.train),
        *(("--eval", name) for name in values.cross),
        *([("--protocol", values.protocol)] if values.protocol != "corrected" else []),
        ("--budget", values.budget),
        *options,
        *(("--set", setting) for setting in (*settings, *values.further)),
    ]
    again = ("--again",) if values.again else ()
    return (values.algorithm, *chain.from_iterable(pairs), *again)


def refusals(values: Values) -> dict[str, str]:
    """Return what is wrong with numbers, seeds and further settings, by field."""
    found: dict[str, str] = {}
    for name, text in given(values.numbers, {}).items():
        try:
            Numbers.parse({name: text}, owner="run")
        except MisuseError as error:
            found[name] = str(error)
    try:
        parse_seeds(values.numbers.get(SEEDS, "").strip() or Numbers().seeds)
    except ValueError as error:
        found[SEEDS] = str(error)
    names = [setting.partition("=")[0] for setting in values.further]
    for setting, name in zip(values.further, names, strict=True):
        if not re.fullmatch(r"[^=]+=.+", setting, re.DOTALL):
            found[MORE] = f"{setting!r} is not of the form NAME=VALUE"
        elif names.count(name) > 1 or values.settings.get(name, "").strip():
            found[MORE] = f"{name} is given twice; give one value"
    return found
