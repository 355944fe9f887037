"""``mlbench new``."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

import click

from mlbench.errors import MisuseError, PluginError
from mlbench.plugins import Kind
from mlbench.registry import NOUNS, find_plugins


@click.group
def command() -> None:
    """Write a plugin that works at once, to edit into your own."""


@command.command
@click.argument("name")
@click.option(
    "--template",
    type=click.Choice(["rule", "metric"]),
    default="rule",
    show_default=True,
    help="rule: an update rule in the inner loop of MAML; metric: no inner loop, images only.",
)
def algorithm(name: str, template: str) -> None:
    r"""Write ./algorithms/NAME.py, a technique.

    \b
    Examples:
      mlbench new algorithm mine
      mlbench new algorithm my_metric --template metric
    """
    file = write("algorithms", name, template, "technique")
    train = "sine" if template == "rule" else "shapes"
    tell(file, name, f"mlbench run {name} --train {train} --budget smoke")


@command.command
@click.argument("name")
def dataset(name: str) -> None:
    r"""Write ./datasets/NAME.py, a data set of images.

    \b
    Examples:
      mlbench new dataset blots
    """
    file = write("datasets", name, "images", "images")
    tell(file, name, f"mlbench run maml --train {name} --budget smoke")


def tell(file: Path, name: str, run: str) -> None:
    """Print the file, and what to type next."""
    click.echo(file)
    click.echo(f"It works as it is. Edit it, then:\n    mlbench check {name}\n    {run}", err=True)


def write(kind: Kind, name: str, template: str, word: str) -> Path:
    """Write a template under a name, whole or not at all, and return the file.

    Args:
        kind: What it is a plugin of.
        name: Its name.
        template: The module of :mod:`mlbench.templates`.
        word: The template's plugin is called ``my_WORD``.
    """
    file = place(kind, name)
    text = files("mlbench.templates").joinpath(f"{template}.py").read_text(encoding="utf-8")
    text = named(text, name, f"my_{word}")
    aside = file.with_name(f".{name}.new")
    try:
        file.parent.mkdir(exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise PluginError(
            f"{file} cannot be written: {error.strerror or error}; go to a folder of yours"
        ) from error
    return file


def place(kind: Kind, name: str) -> Path:
    """Return where a plugin of this name goes.

    Raises:
        MisuseError: It cannot have this name, or there is one.
    """
    noun, file = NOUNS[kind], Path(kind, f"{name}.py")
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise MisuseError(
            f"{name!r} can name no {noun}: it must be a Python name that begins with a letter;"
            " write it like my_maml"
        )
    if file.exists():
        raise MisuseError(f"{file} is there already; edit it, or choose another name")
    if found := find_plugins(kind).get(name):
        raise MisuseError(
            f"the {noun} {name!r} exists already ({found.places[0]}); choose another name"
        )
    if (file.parent / "__init__.py").exists():
        raise MisuseError(
            f"{file.parent} is a Python package, in which no plugins are looked for; remove its"
            " __init__.py or go to another folder"
        )
    return file


def named(text: str, name: str, old: str) -> str:
    """Return a template with the name of its plugin, and of its classes, replaced."""
    new_class, old_class = camel_case(name), camel_case(old)
    if re.search(rf"\b{new_class}\b", text):
        new_class += "Plugin"  # a class of this name is imported already
    return text.replace(old_class, new_class).replace(old, name)


def camel_case(name: str) -> str:
    """Return ``MyMaml`` for ``my_maml``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
