"""No name reaches a shell, and no plugin is run before it is asked for."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import mlbench
from mlbench.cli import main
from mlbench.cli.parameters import typeable
from mlbench.images.home import data_home
from mlbench.store.paths import StorePaths

SOURCES = Path(mlbench.__file__).parent
STARTERS = {"Popen", "run", "call", "check_call", "check_output", "posix_spawn", "posix_spawnp"}
FORBIDDEN = {
    *("system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"),
    *("execl", "execlp", "execv", "execvp", "execve", "eval", "exec", "__import__"),
}
STARTING = {
    "native/library.py": "the C++ compiler that torch calls",
    "run/machine.py": "git, on the checkout of a plugin",
    "session/process.py": "this Python with -m mlbench",
    "sweep/slurm_command.py": "Slurm's commands",
    "sweep/slurm_task.py": "this Python with -m mlbench, and Slurm's commands",
}
"""The modules that start programs, and which; docs/security.md says the same."""
HOSTILE_NAMES = ("$(touch owned)", "`touch owned`", "a;touch owned", "a b", "-o", "a\ntouch owned")


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of a source file, each with the last part of what it calls."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            name = node.func
            yield getattr(name, "attr", getattr(name, "id", "")), node


def test_no_module_starts_a_shell_and_few_start_programs() -> None:
    starting = set()
    for file in sorted(SOURCES.rglob("*.py")):
        where = file.relative_to(SOURCES).as_posix()
        for name, call in calls(file):
            owner = ast.unparse(call.func).rpartition(".")[0]
            assert not (name in FORBIDDEN and owner in {"", "os", "subprocess"}), (where, name)
            assert "shell" not in {each.arg for each in call.keywords}, where
            if name in STARTERS and owner in {"os", "subprocess"}:
                starting.add(where)
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), where
    assert starting == set(STARTING)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with plugins that leave a trace when they are run, as the one we are in."""
    monkeypatch.chdir(tmp_path)
    for kind in ("algorithms", "datasets"):
        (tmp_path / kind).mkdir()
        trace = f"import pathlib; pathlib.Path({str(tmp_path / 'owned')!r}).touch()"
        code = f'"""Harmless."""\n{trace}\nraise SystemExit(7)\n'
        for name in ("evil", *HOSTILE_NAMES):
            (tmp_path / kind / f"{name}.py").write_text(code)
    return tmp_path


def completions(words: str) -> list[str]:
    """Return what a shell would offer after some words."""
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        complete = BashComplete(main, {}, "mlbench", "_MLBENCH_COMPLETE").complete()
    return [line.partition(",")[2] for line in complete.splitlines()]


@pytest.mark.parametrize("words", ["mlbench run e", "mlbench describe e", "mlbench data show e"])
def test_completing_runs_no_plugin(words: str, folder: Path) -> None:
    assert "evil" in completions(words)
    assert not (folder / "owned").exists()


def test_no_name_is_offered_that_a_shell_would_take_for_more_than_a_word(folder: Path) -> None:
    pack = data_home() / "$(touch owned)"
    pack.mkdir(parents=True)
    (pack / "manifest.json").write_text('{"own": true}')
    for words in ("mlbench run ", "mlbench describe ", "mlbench data show "):
        environment_words = f"{words}x"[:-1]
        offered = completions(environment_words)
        assert all(shlex.quote(name) == name for name in offered)
    assert typeable(["maml", "a-b.c", *HOSTILE_NAMES]) == ["maml", "a-b.c"]


def test_a_name_that_is_completed_in_bash_starts_nothing(folder: Path) -> None:
    """Offer all plugins of a folder to a real bash, and run the line that it makes."""
    script = (
        "COMPREPLY=(); for completion in $(env COMP_WORDS='mlbench run ' COMP_CWORD=2"
        f" _MLBENCH_COMPLETE=bash_complete {shlex.quote(sys.executable)} -m mlbench); do"
        ' IFS=, read -r type value <<< "$completion"; eval "true $value"; done'
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=False)
    assert done.returncode == 0
    assert not (folder / "owned").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "algorithms", "--names"),
        ("list", "runs"),
        ("describe", "maml"),
        ("data", "list"),
        ("--help",),
        ("run", "--help"),
    ],
)
def test_what_asks_for_no_plugin_of_a_folder_runs_none(
    arguments: tuple[str, ...], folder: Path
) -> None:
    assert CliRunner().invoke(main, [*arguments]).exit_code == 0
    assert not (folder / "owned").exists()


@pytest.mark.parametrize("arguments", [("list", "algorithms"), ("describe", "evil")])
def test_what_asks_for_a_plugin_runs_it(arguments: tuple[str, ...], folder: Path) -> None:
    """Plugins are code: docs/security.md says which verbs run them."""
    CliRunner().invoke(main, [*arguments])
    assert (folder / "owned").exists()


def test_a_plugin_that_takes_the_name_of_a_bundled_one_is_run_by_neither(folder: Path) -> None:
    (folder / "algorithms" / "maml.py").write_text((folder / "algorithms" / "evil.py").read_text())
    result = CliRunner().invoke(main, ["describe", "maml"])
    assert "is ambiguous" in result.stderr
    assert not (folder / "owned").exists()


def test_commands_that_are_printed_to_be_typed_quote_the_database(tmp_path: Path) -> None:
    option = StorePaths(tmp_path / "$(touch owned).duckdb").option
    assert shlex.split(option) == ["--db", str(tmp_path / "$(touch owned).duckdb")]
