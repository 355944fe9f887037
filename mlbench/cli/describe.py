"""``mlbench describe``."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import click
from click.shell_completion import CompletionItem

from mlbench.cli.output import cell_text, print_json, print_rows
from mlbench.cli.parameters import typeable
from mlbench.errors import MisuseError
from mlbench.hyper import Description, Hyper, Situation
from mlbench.registry import (
    KINDS,
    NOUNS,
    Kind,
    find_plugins,
    load_algorithm,
    load_dataset,
    plugin_hashes,
)

if TYPE_CHECKING:
    from mlbench.contract import Algorithm, Dataset

LABELS = (
    *("paper", "solves", "source", "licence", "splits", "layouts", "kind", "queries"),
    *("files", "data"),
)
SETTINGS = ("learner", "protocol")
"""What may be described besides plugins: whose settings ``--set`` takes as ``learner.NAME``."""


class AnyPluginName(click.ParamType[str]):
    """The name of an algorithm or a dataset; completes in the shell."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the plugins of both kinds whose names begin as typed."""
        names = sorted({*SETTINGS, *(name for kind in KINDS for name in find_plugins(kind))})
        return [CompletionItem(name) for name in typeable(names) if name.startswith(incomplete)]


@click.command
@click.argument("name", type=AnyPluginName())
@click.option("--kind", type=click.Choice(KINDS), help="Where both have a NAME: which one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, kind: Kind | None, as_json: bool) -> None:
    r"""Describe the algorithm or the dataset NAME, or the settings of learner or protocol.

    Shows where it comes from, its hyperparameters with their defaults, and the file it lies in.

    \b
    Examples:
      mlbench describe turtle
      mlbench describe mini
      mlbench describe protocol
    """
    if name in SETTINGS and kind is None:
        described = describe_settings(name)
    else:
        described = [
            describe_algorithm(load_algorithm(name))
            if each == "algorithms"
            else describe_dataset(load_dataset(name))
            for each in kinds_of(name, (kind,) if kind else KINDS)
        ]
    if as_json:
        print_json(described)
        return
    for index, facts in enumerate(described):
        click.echo("\n" if index else "", nl=False)
        print_described(facts)


def kinds_of(name: str, kinds: tuple[Kind, ...]) -> list[Kind]:
    """Return the kinds that have a plugin of that name."""
    names = {kind: set(find_plugins(kind)) for kind in kinds}
    found = [kind for kind in kinds if name in names[kind]]
    if not found:
        near = get_close_matches(name, sorted(set().union(*names.values())), 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        lists = " and ".join(f"'mlbench list {kind}'" for kind in kinds)
        nouns = " or ".join(NOUNS[kind] for kind in kinds)
        raise MisuseError(f"there is no {nouns} {name!r}; {guess}see {lists}")
    return found


def describe_algorithm(cls: type[Algorithm]) -> dict[str, Any]:
    """Return what a technique says of itself."""
    return {
        "name": cls.name,
        "what": "algorithm",
        "documentation": documentation(cls),
        "paper": cls.paper,
        "solves": list(cls.kinds),
        "files": list(plugin_hashes(cls)),
        "set_by": "NAME=VALUE",
        "hyperparameters": hyperparameters(cls.Hyper),
    }


def describe_dataset(cls: type[Dataset]) -> dict[str, Any]:
    """Return what a data set says of itself, and whether its data are here."""
    return {
        "name": cls.name,
        "what": "dataset",
        "documentation": documentation(cls),
        "source": cls.source,
        **packing(cls),
        "kind": cls.kind,
        "queries": cls.default_queries,
        "files": list(plugin_hashes(cls)),
        "data": data_state(cls),
        "set_by": f"{cls.name}.NAME=VALUE",
        "hyperparameters": hyperparameters(cls.Options),
    }


def packing(cls: type[Dataset]) -> dict[str, Any]:
    """Return what there is to know before ``mlbench data add``; nothing of data not packed."""
    from mlbench.images import PackedImages

    if not issubclass(cls, PackedImages):
        return {}
    return {
        "licence": cls.licence,
        "splits": [f"{split.name} ({split.rule})" for split in cls.class_splits],
        "layouts": [layout.name for layout in cls.layouts],
    }


def describe_settings(name: str) -> list[dict[str, Any]]:
    """Return what can be set of the base-learners, or of the protocol."""
    from mlbench.learners import MLP, Conv4
    from mlbench.run.spec import Protocol

    owners: dict[str, tuple[type, type[Hyper]]] = {
        "learner of images": (Conv4, Conv4.Options),
        "learner of regression": (MLP, MLP.Options),
    }
    if name == "protocol":
        owners = {"protocol": (Protocol, Protocol)}
    return [
        {
            "name": title,
            "what": "settings",
            "documentation": inspect.cleandoc(owner.__doc__ or ""),
            "set_by": f"{name}.NAME=VALUE",
            "hyperparameters": hyperparameters(options),
        }
        for title, (owner, options) in owners.items()
    ]


def documentation(cls: type) -> str:
    """Return the docstring of a plugin's file, else that of its class."""
    module = inspect.getmodule(cls) if cls.__qualname__ == cls.__name__ else None
    return inspect.cleandoc((module and module.__doc__) or cls.__doc__ or "")


def data_state(cls: type[Dataset]) -> str:
    """Return whether a data set can be used here, or what brings it."""
    from mlbench.doctor import check_dataset

    finding = check_dataset(cls)
    return "; ".join(filter(None, (finding.found, finding.remedy)))


def hyperparameters(hyper: type[Hyper]) -> list[dict[str, Any]]:
    """Return one row per hyperparameter; defaults that differ by situation have columns."""
    descriptions = hyper.describe()
    situations = [s for s in get_args(Situation) if any(s in d.when for d in descriptions)]
    return [row(each, situations) for each in descriptions]


def row(description: Description, situations: list[Situation]) -> dict[str, Any]:
    """Return the cells of one hyperparameter."""
    return {
        "name": description.name,
        "type": description.type,
        "default": description.default,
        **{s: description.when.get(s, description.default) for s in situations},
        "range": description.range,
        "help": description.help,
    }


def print_described(described: dict[str, Any]) -> None:
    """Print a description for people."""
    click.echo(f"{described['name']} ({described['what']})\n\n{described['documentation']}\n")
    for label in LABELS:
        if label in described:
            click.echo(f"{label:<8} {cell_text(described[label])}")
    rows = described["hyperparameters"]
    if rows:
        click.echo(f"\nHyperparameters, set by --set {described['set_by']}:\n")
        print_rows(rows, list(rows[0]))
