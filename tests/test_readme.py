"""What the documents say can be done: the example, the queries, the commands, the links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = re.findall(r"(?:^ {4}|&& )(mlbench .*?)(?= && |$)", README, re.MULTILINE)
QUERIES = [command for command in COMMANDS if command.startswith("mlbench sql ")]
LINK = re.compile(r"\]\(([^()\s]+)\)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the file that the section on techniques tells one to save."""
    section = README.partition("## Add a technique")[2].partition("\n## ")[0]
    place = re.search(r"Save this as `(.+?)`", section)
    source = re.search(r"```python\n(.+?)```", section, re.DOTALL)
    assert place is not None
    assert source is not None
    folder = tmp_path_factory.mktemp("readme")
    file = folder / place[1]
    file.parent.mkdir()
    file.write_text(source[1], encoding="utf-8")
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def ran(folder: Path) -> Iterator[Result]:
    """Yield how the example ran; its database stays in the folder."""
    arguments = ["run", "sign_maml", "--train", "sine", "--budget", "smoke"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLBENCH_PLUGINS", raising=False)
        yield CliRunner().invoke(main, arguments)


def arguments_of(command: str) -> list[str]:
    """Return what follows ``mlbench`` on a command line, without its comment."""
    return shlex.split(command, comments=True)[1:]


def test_there_are_commands_queries_and_links_to_check() -> None:
    assert len(COMMANDS) > len(QUERIES) > 0
    assert "CONTRIBUTING.md" in LINK.findall(README)


def test_the_technique_of_the_readme_runs(ran: Result, inside: Path) -> None:
    assert ran.exit_code == 0, ran.output
    listed = CliRunner().invoke(main, ["list", "algorithms", "--names"])
    assert "sign_maml" in listed.stdout.splitlines()


@pytest.mark.parametrize("command", QUERIES)
def test_every_query_of_the_readme_has_an_answer(ran: Result, inside: Path, command: str) -> None:
    answer = CliRunner().invoke(main, [*arguments_of(command), "--csv"])
    assert answer.exit_code == 0, answer.output
    assert len(answer.stdout.splitlines()) > 1, "a header, and no row"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_parses(inside: Path, command: str) -> None:
    rest, verb = arguments_of(command), main
    context = click.Context(verb, info_name="mlbench")
    found: click.Command | None = verb
    while isinstance(found, click.Group):
        name, found, rest = found.resolve_command(context, rest)
        assert found is not None
        context = click.Context(found, parent=context, info_name=name)
    assert found is not None
    with found.make_context(context.info_name, rest, parent=context.parent) as parsed:
        assert parsed.args == []


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("mlbench run ")])
def test_every_run_of_the_readme_could_begin(
    inside: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def begin(*_arguments: object, **_options: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("mlbench.session.launch.launch", begin)
    result = CliRunner().invoke(main, arguments_of(command))
    absent_data = "is not packed" in result.stderr  # of real images, which only users have
    assert absent_data or result.exit_code == 0, result.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    relative = [each.partition("#")[0] for each in targets if "://" not in each]
    assert [each for each in relative if each and not (document.parent / each).is_file()] == []
