"""``mlbench describe``: source, hyperparameters and files of a plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.registry import find_plugins, load_algorithm

BOTH = '''
"""Both: a data set of a technique's name."""

from mlbench.plugins.datasets.sine import Sine


class Both(Sine):
    name = "maml"
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["describe", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("name", find_plugins("algorithms"))
def test_every_hyperparameter_of_a_technique_is_there(name: str) -> None:
    cls = load_algorithm(name)
    (described,) = json.loads(invoke(name, "--json").stdout)
    assert described["paper"] == cls.paper
    assert Path(described["files"][0]).name == f"{name}.py"
    rows = described["hyperparameters"]
    assert [row["name"] for row in rows] == [each.name for each in cls.Hyper.describe()]
    assert all(row["help"] for row in rows)
    # What is shown as a default is what --set takes.
    assert cls.Hyper.parse({row["name"]: row["default"] for row in rows}) == cls.Hyper()


def test_defaults_that_differ_by_situation_are_shown() -> None:
    (described,) = json.loads(invoke("maml", "--json").stdout)
    rows = {row["name"]: row for row in described["hyperparameters"]}
    assert rows["meta_batch"]["default"] == "2"
    assert rows["meta_batch"]["1-shot"] == "4"
    assert rows["inner_lr"]["1-shot"] == rows["inner_lr"]["default"]


def test_the_protocol_shows_both_presets_and_how_to_set_one_of_its_settings() -> None:
    (described,) = json.loads(invoke("protocol", "--json").stdout)
    rows = {row["name"]: (row["default"], row["released"]) for row in described["hyperparameters"]}
    assert rows["replacement"] == ("false", "true")
    assert rows["statistic"] == ("median", "trimmed")
    assert "--set protocol.NAME=VALUE" in invoke("protocol").stdout


def test_the_learners_of_images_and_of_regression_are_described() -> None:
    images, regression = json.loads(invoke("learner", "--json").stdout)
    assert images["set_by"] == regression["set_by"] == "learner.NAME=VALUE"
    rows = {row["name"]: row for row in images["hyperparameters"]}
    assert (rows["padding"]["default"], rows["padding"]["released"]) == ("1", "0")
    assert [row["name"] for row in regression["hyperparameters"]] == ["hidden"]


def test_the_text_names_paper_file_and_how_to_set() -> None:
    text = invoke("fo_maml").stdout
    assert text.startswith("fo_maml (algorithm)\n\nFirst-order MAML")
    assert "paper    Finn et al., 2017" in text
    assert "fo_maml.py, " in text  # and MAML's file, from which it inherits
    assert "--set NAME=VALUE" in text


def test_data_that_are_absent_are_described_with_what_brings_them() -> None:
    (described,) = json.loads(invoke("mini", "--json").stdout)
    assert "mlbench data add mini PATH" in described["data"]
    (described,) = json.loads(invoke("sine", "--json").stdout)
    assert described["data"].startswith("complete")


def test_a_name_of_both_kinds_is_described_twice_or_as_asked(here: Path) -> None:
    (here / "datasets").mkdir()
    (here / "datasets" / "maml.py").write_text(BOTH)
    both = json.loads(invoke("maml", "--json").stdout)
    assert [each["what"] for each in both] == ["algorithm", "dataset"]
    (one,) = json.loads(invoke("maml", "--json", "--kind", "datasets").stdout)
    assert one["what"] == "dataset"


def test_an_unknown_name_is_misuse() -> None:
    result = invoke("turtel")
    assert result.exit_code == 2
    assert "no algorithm or dataset 'turtel'; did you mean 'turtle'?" in result.stderr
