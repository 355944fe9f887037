"""``mlbench check``: a line per check, what to do about those that fail, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main

TWICE = '''"""Sine, under another name."""

from .sine import Sine


class {cls}(Sine):
    """Waves."""

    name = "{name}"
'''
FORGETFUL = """
    @property
    def fingerprint(self):
        raise KeyError("seed")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a data set that is whole, one that is not, and one named maml."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "waves.py").write_text(TWICE.format(cls="Waves", name="waves"))
    (folder / "broken.py").write_text(TWICE.format(cls="Broken", name="broken") + FORGETFUL)
    (folder / "protonet.py").write_text(TWICE.format(cls="Proto", name="protonet"))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], catch_exceptions=False)


def test_a_plugin_that_keeps_the_contract_is_told_so_and_what_was_skipped(here: Path) -> None:
    result = invoke("waves")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"waves (dataset, {here / 'datasets' / 'waves.py'})"
    assert "  passed   deterministic    an episode is a pure function of its stream" in lines[6]
    assert "  skipped  shuffled         regression has no classes" in lines
    assert lines[-1] == "9 passed, 0 failed, 4 skipped"


def test_a_failure_says_why_where_and_what_to_do_and_exits_with_1() -> None:
    result = invoke("broken", "waves")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    place = lines.index("  failed   opens            KeyError: 'seed' (broken.py:13)")
    assert lines[place + 1].split() == ["->", "mend", "that", "line"]
    assert "  skipped  form             'opens' failed, and goes first" in lines
    assert any(line.startswith("waves (dataset") for line in lines)


def test_json_has_every_finding() -> None:
    result = invoke("broken", "waves", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)
    assert {each["plugin"] for each in findings} == {"broken", "waves"}
    (failed,) = [each for each in findings if each["verdict"] == "failed"]
    assert failed == {
        "plugin": "broken",
        "kind": "datasets",
        "check": "opens",
        "promise": "every split gives an episode",
        "verdict": "failed",
        "reason": "KeyError: 'seed' (broken.py:13)",
        "remedy": "mend that line",
    }


def test_a_name_of_both_kinds_is_checked_as_asked() -> None:
    findings = json.loads(invoke("protonet", "--kind", "datasets", "--json").stdout)
    assert {each["kind"] for each in findings} == {"datasets"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'NAME...'"),
        (["waves", "wave"], "no algorithm or dataset 'wave'; did you mean 'waves'?"),
        (["waves", "--kind", "algorithms"], "there is no algorithm 'waves'"),
    ],
)
def test_misuse_is_told_before_anything_is_checked(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
