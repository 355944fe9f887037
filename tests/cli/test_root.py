"""The command itself: quick to answer, one line for every failure, quiet when cut off."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

import mlbench
from mlbench import cli
from mlbench.errors import MisuseError, MlbenchError, PluginError

ROOT = Path(mlbench.__file__).parents[1]
HEAVY = ("torch", "textual", "altair", "polars", "duckdb", "numpy", "rich")


def mlbench_process(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlbench", *arguments]


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return a function that makes another one the verb ``try``."""

    def install(body: Callable[[], None]) -> None:
        module = ModuleType("mlbench.cli.try_")
        module.command = click.command("try")(body)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mlbench.cli.try_", module)
        monkeypatch.setitem(cli.VERBS, "try", "try_")

    return install


def test_help_lists_every_verb_and_loads_nothing_heavy(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    code = (
        "import sys\n"
        "from mlbench.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        f"    print(*set({HEAVY!r}) & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == ""
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == list(cli.VERBS)


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_is_described_with_examples(name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    verbs = [name]
    if isinstance(command, click.Group):
        verbs = [f"{name} {each}" for each in command.commands]
    for verb in verbs:
        result = CliRunner().invoke(cli.main, [*verb.split(), "--help"])
        assert result.exit_code == 0
        assert f"\n    mlbench {verb}" in result.stdout


def test_every_module_with_a_command_is_a_verb() -> None:
    folder = Path(cli.__file__).parent
    files = [*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]
    modules = (f"mlbench.cli.{file.stem}" for file in files if file.stem[0] != "_")
    commands = {name for name in modules if hasattr(importlib.import_module(name), "command")}
    assert commands == {f"mlbench.cli.{module}" for module in cli.VERBS.values()}


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(cli.main, ["--version"])
    assert result.stdout == f"mlbench, version {mlbench.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel"], "There is no command 'tabel'. Did you mean 'table'? See 'mlbench --help'."),
        (["xyz"], "There is no command 'xyz'. See 'mlbench --help'."),
        (["--nope"], "No such option '--nope'. See 'mlbench --help'."),
        (["list", "--nam", "runs"], "Did you mean '--names'?"),
        (["list"], "Missing argument"),
        (["list", "things"], "'things' is not one of 'algorithms', 'datasets', 'runs'."),
        (["describe"], "Missing argument 'NAME'. See 'mlbench describe --help'."),
    ],
)
def test_misuse_is_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_a_verb_there_is_help() -> None:
    result = CliRunner().invoke(cli.main, [])
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(("error", "code"), [(MisuseError, 2), (PluginError, 1)])
def test_an_error_for_the_user_is_one_line(
    verb: Callable[[Callable[[], None]], None], error: type[MlbenchError], code: int
) -> None:
    def fail() -> None:
        raise error("the thing, the reason;\nthe remedy")

    verb(fail)
    result = CliRunner().invoke(cli.main, ["try"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == "Error: the thing, the reason; the remedy\n"
    traced = CliRunner().invoke(cli.main, ["--traceback", "try"])
    assert "in fail" in traced.stderr
    assert traced.stderr.endswith(result.stderr)


def test_a_bug_keeps_its_traceback(verb: Callable[[Callable[[], None]], None]) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    verb(fail)
    assert isinstance(CliRunner().invoke(cli.main, ["try"]).exception, ZeroDivisionError)


def test_ctrl_c_ends_with_130(verb: Callable[[Callable[[], None]], None]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    verb(interrupt)
    result = CliRunner().invoke(cli.main, ["try"])
    assert result.exit_code == 130
    assert result.stderr == "\nInterrupted.\n"


def test_a_refused_question_ends_with_1(verb: Callable[[Callable[[], None]], None]) -> None:
    def ask() -> None:
        click.confirm("Remove it?", abort=True)

    verb(ask)
    result = CliRunner().invoke(cli.main, ["try"], input="n\n")
    assert result.exit_code == 1
    assert "Interrupted" not in result.stderr


def test_a_verbs_own_status_is_kept(verb: Callable[[Callable[[], None]], None]) -> None:
    verb(lambda: sys.exit(143))
    assert CliRunner().invoke(cli.main, ["try"]).exit_code == 143
    verb(lambda: click.get_current_context().exit(3))
    assert CliRunner().invoke(cli.main, ["try"]).exit_code == 3


def test_a_reader_who_has_seen_enough_causes_no_noise(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    unread, output = os.pipe()
    os.close(unread)
    try:
        done = subprocess.run(
            mlbench_process("list", "algorithms", "--names"),
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(output)
    assert done.stderr == ""


def test_plugin_names_complete_in_the_shell(environment: dict[str, str], tmp_path: Path) -> None:
    shell = {
        "_MLBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "mlbench describe fo_",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        mlbench_process(),
        cwd=tmp_path,
        env=environment | shell,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["plain,fo_maml", "plain,fo_turtle"]
