"""What is known of a run that is being filled in: its defaults, and what is wrong with it.

To know that, techniques and data sets are loaded, and torch with them: this is for a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlbench.errors import DataError, MisuseError, MlbenchError
from mlbench.hyper import Situation, situations
from mlbench.registry import load_algorithm, load_dataset
from mlbench.tui.form import HYPERPARAMETER, MORE, SEEDS, Numbers, Values, given, refusals

if TYPE_CHECKING:
    from mlbench.contract import Algorithm, Dataset

WHOLE = ""  # the name under which a refusal of no single field is found


@dataclass(frozen=True)
class HyperField:
    """One hyperparameter to fill in.

    Args:
        default: Where it is left empty, in the situation that the form describes.
        help: What it is, its type and its range.
    """

    name: str
    default: str
    help: str


@dataclass(frozen=True)
class Facts:
    """What is known of some values.

    Args:
        values: Of these.
        fields: The technique's hyperparameters; ``None`` where the technique cannot be loaded.
        defaults: Texts by field, as :func:`.form.arguments` takes them.
        refusals: What is wrong, by field; of no single field by :data:`WHOLE`.
    """

    values: Values
    fields: tuple[HyperField, ...] | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)


def look_up(values: Values) -> Facts:
    """Return what is known of some values; the first time that takes seconds."""
    wrong = refusals(values)
    found: dict[str, Any] = {}
    for name, load, plugin in (
        ("algorithm", load_algorithm, values.algorithm),
        ("train", load_dataset, values.train),
        *(("evals", load_dataset, name) for name in values.cross),
    ):
        try:
            found[plugin] = load(plugin)
        except MlbenchError as error:
            wrong[name] = str(error)
    algorithm: type[Algorithm] | None = found.get(values.algorithm)
    train: type[Dataset] | None = found.get(values.train)
    if algorithm is None or train is None:
        return Facts(values, refusals=wrong)
    applying = situations(train.kind, shots_of(values), values.protocol, given(values.settings, {}))
    fields = hyper_fields(algorithm, applying)
    defaults = number_defaults(values, train)
    defaults |= {f"{HYPERPARAMETER}{each.name}": each.default for each in fields}
    for name, text in given(values.settings, {}).items():
        try:
            algorithm.Hyper.parse({name: text}, situations=applying, owner=algorithm.name)
        except MisuseError as error:
            wrong[f"{HYPERPARAMETER}{name}"] = str(error)
        except Exception as error:  # checks of hyperparameters are anybody's code
            wrong[f"{HYPERPARAMETER}{name}"] = by_plugin(values.algorithm, error)
    if not wrong:
        wrong |= refusals_of_whole(values, algorithm, applying)
    return Facts(values, fields, defaults, wrong)


def shots_of(values: Values) -> int:
    """Return how many shots the form says; the default while it says nothing sensible."""
    try:
        return Numbers.parse(given({"shots": values.numbers.get("shots", "")}, {})).shots
    except MisuseError:
        return Numbers().shots


def hyper_fields(
    algorithm: type[Algorithm], applying: tuple[Situation, ...]
) -> tuple[HyperField, ...]:
    """Return a technique's hyperparameters, with the defaults of some situations."""
    fields = []
    for each in algorithm.Hyper.describe():
        default = each.default
        for situation in applying:
            default = each.when.get(situation, default)
        admissible = ", ".join(filter(None, (each.type, each.range)))
        fields.append(HyperField(each.name, default, f"{each.help} ({admissible})"))
    return tuple(fields)


def number_defaults(values: Values, train: type[Dataset]) -> dict[str, str]:
    """Return what the numbers are that are left empty."""
    from mlbench.run.spec import budget_of

    budget = budget_of(values.budget, train.kind, shots_of(values))  # type: ignore[arg-type]
    return {
        "ways": "none" if train.kind == "regression" else "5",
        "shots": str(Numbers().shots),
        "queries": str(train.default_queries),
        "seeds": Numbers().seeds,
        "train_tasks": str(budget.train_tasks),
        "validation_tasks": str(budget.validation_tasks),
        "validate_every": str(budget.validate_every),
        "test_tasks": str(budget.test_tasks),
        "threads": "auto",
    }


def refusals_of_whole(
    values: Values, algorithm: type[Algorithm], applying: tuple[Situation, ...]
) -> dict[str, str]:
    """Return what is wrong with values of which every single one is fine.

    Raises nothing: what a plugin of the user's does wrong is a refusal, too.
    """
    further = dict(setting.split("=", 1) for setting in values.further)
    scoped = {name: text for name, text in further.items() if "." in name}
    own = {name: text for name, text in further.items() if name not in scoped}
    own |= given(values.settings, {})
    try:
        algorithm.Hyper.parse(own, situations=applying, owner=algorithm.name)
        check(request_items(values), tuple(scoped.items()))
    except DataError as error:
        return {"train" if str(error).startswith(f"{values.train} ") else "evals": str(error)}
    except MlbenchError as error:
        text = str(error)
        names = (name.rpartition(".")[2] for name in further)
        blamed = any(f"{name!r}" in text or f"{name}=" in text for name in names)
        return {MORE if blamed or text.startswith("--set ") else WHOLE: text}
    except Exception as error:  # checks of hyperparameters are anybody's code
        return {WHOLE: by_plugin(values.algorithm, error)}
    return {}


def by_plugin(name: str, error: Exception) -> str:
    """Return what a plugin did wrong."""
    return f"{name}: {type(error).__name__}: {error}; mend its file"


def request_items(values: Values) -> tuple[tuple[str, Any], ...]:
    """Return what :class:`.setup.Request` takes, but for settings and seeds."""
    numbers = Numbers.parse(
        {name: text for name, text in given(values.numbers, {}).items() if text != "auto"}
    ).values()
    return (
        ("algorithm", values.algorithm),
        ("train", values.train),
        ("evals", values.cross),
        ("protocol", values.protocol),
        ("budget", values.budget),
        *((name, number) for name, number in numbers.items() if name not in {SEEDS, "threads"}),
    )


@lru_cache(maxsize=8)
def check(items: tuple[tuple[str, Any], ...], settings: tuple[tuple[str, str], ...]) -> None:
    """Prepare a run as ``mlbench run`` does, once for each: some data sets take a second to draw.

    Raises:
        MlbenchError: That run cannot be. It is not remembered: data may be brought meanwhile.
    """
    from mlbench.run.setup import Request, prepare

    prepare(Request(**dict(items), settings=dict(settings)))
