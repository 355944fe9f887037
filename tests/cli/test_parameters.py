"""Parameter types that verbs share: names of plugins, and settings."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from mlbench.cli.parameters import PluginName, Setting, database_option
from mlbench.errors import MisuseError


@click.command
@click.option("--set", "settings", multiple=True, type=Setting())
@database_option
def show(settings: tuple[tuple[str, str], ...], database: object) -> None:
    click.echo(f"{settings} {database}")


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("inner_lr=0.1", ("inner_lr", "0.1")),
        ("note=a=b", ("note", "a=b")),
        ("hidden=", ("hidden", "")),
        ("shapes.size=28", ("shapes.size", "28")),
    ],
)
def test_a_setting_is_split_at_its_first_equals_sign(text: str, setting: tuple[str, str]) -> None:
    assert CliRunner().invoke(show, ["--set", text]).stdout == f"{(setting,)} runs.duckdb\n"


@pytest.mark.parametrize("text", ["inner_lr", "=1", ""])
def test_what_is_no_setting_is_misuse(text: str) -> None:
    result = CliRunner().invoke(show, ["--set", text])
    assert result.exit_code == 2
    assert f"{text!r} is not of the form NAME=VALUE" in result.stderr


def test_a_name_that_no_plugin_has_is_misuse() -> None:
    assert PluginName("datasets").convert("sine", None, None) == "sine"
    with pytest.raises(MisuseError, match="there is no dataset 'sinus'; did you mean 'sine'"):
        PluginName("datasets").convert("sinus", None, None)


def test_names_complete_as_typed() -> None:
    context = click.Context(show)
    items = PluginName("algorithms").shell_complete(context, show.params[0], "fo_")
    assert [item.value for item in items] == ["fo_maml", "fo_turtle"]
