"""``mlbench new``: what it writes works as it is, and never replaces or shadows anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlbench.check.suite import examine
from mlbench.cli import main
from mlbench.contract import Algorithm
from mlbench.plugins import Kind
from mlbench.registry import find_plugin, load_algorithm


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(
    ("kind", "arguments", "file"),
    [
        pytest.param(
            "algorithms",
            ["algorithm", "mine"],
            "algorithms/mine.py",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "algorithms",
            ["algorithm", "mine", "--template", "metric"],
            "algorithms/mine.py",
            marks=pytest.mark.slow,
        ),
        ("datasets", ["dataset", "mine"], "datasets/mine.py"),
    ],
    ids=["rule", "metric", "images"],
)
def test_what_is_written_keeps_the_contract_and_runs_as_it_is_told(
    kind: Kind, arguments: list[str], file: str
) -> None:
    result = invoke("new", *arguments)
    assert result.exit_code == 0
    assert result.stdout == f"{file}\n"
    check, run = (line.split()[1:] for line in result.stderr.splitlines()[1:])
    assert check == ["check", "mine"]
    failed = [each for each in examine(find_plugin(kind, "mine")) if each.verdict == "failed"]
    assert failed == []
    small = () if "sine" in run else ("--set", "learner.channels=4")
    ran = invoke(*run, "--validation-tasks", "2", "--test-tasks", "2", "--threads", "1", *small)
    assert ran.exit_code == 0, ran.output


def test_names_of_classes_follow_the_plugins() -> None:
    invoke("new", "algorithm", "my_sign_maml")
    source = Path("algorithms/my_sign_maml.py").read_text()
    assert "class MySignMaml(GradientBased)" in source
    assert 'name = "my_sign_maml"' in source
    assert "technique" not in source.partition('"""')[2].partition('"""')[2].lower()


@pytest.mark.parametrize("name", ["gradient_based", "tensor", "parameters"])
def test_a_class_never_has_the_name_of_what_it_is_made_of(name: str) -> None:
    assert invoke("new", "algorithm", name).exit_code == 0
    assert issubclass(load_algorithm(name), Algorithm)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("3x", "'3x' can name no algorithm"),
        ("class", "'class' can name no algorithm"),
        ("_mine", "'_mine' can name no algorithm"),
        ("../mine", "'../mine' can name no algorithm"),
        ("maml", "the algorithm 'maml' exists already"),
    ],
)
def test_a_name_that_cannot_be_is_misuse(here: Path, name: str, message: str) -> None:
    result = invoke("new", "algorithm", name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(here.iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is() -> None:
    invoke("new", "dataset", "mine")
    file = Path("datasets/mine.py")
    file.write_text("edited")
    result = invoke("new", "dataset", "mine")
    assert result.exit_code == 2
    assert "datasets/mine.py is there already; edit it, or" in result.stderr
    assert file.read_text() == "edited"


def test_a_package_is_no_place_for_plugins() -> None:
    Path("datasets").mkdir()
    Path("datasets/__init__.py").touch()
    result = invoke("new", "dataset", "mine")
    assert result.exit_code == 2
    assert "datasets is a Python package" in result.stderr


def test_a_full_disk_leaves_no_half_written_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(self: Path, text: str, **options: Any) -> int:
        write(self, text[:100], **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = invoke("new", "algorithm", "mine")
    assert result.exit_code == 1
    assert "algorithms/mine.py cannot be written: No space left on device" in result.stderr
    assert list((here / "algorithms").iterdir()) == []
