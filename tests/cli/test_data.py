"""``mlbench data``: stdout is data, stderr is narration, every refusal is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mlbench.cli import main
from mlbench.images.home import data_home

BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "004.Groove_billed_Ani")
Mlbench = Callable[..., Result]


@pytest.fixture
def mlbench() -> Mlbench:
    """Return a function that runs ``mlbench data ...``."""

    def run(*words: str | Path, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(main, ["data", *map(str, words)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Return three classes of CUB with two images each."""
    for number, name in enumerate(BIRDS):
        folder = tmp_path / "birds" / "images" / name
        folder.mkdir(parents=True)
        for image in range(2):
            Image.new("RGB", (9 + image, 9), (number, image, 0)).save(folder / f"{image}.png")
    return tmp_path / "birds"


@pytest.fixture
def packed(mlbench: Mlbench, birds: Path) -> str:
    """Return the fingerprint of these birds, packed."""
    row = json.loads(mlbench("add", "cub", birds, "--partial", "--json").stdout)[0]
    return str(row["fingerprint"])


def refusal(result: Result, code: int) -> str:
    assert result.exit_code == code
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def test_adding_prints_what_was_packed_and_says_what_is_missing(
    mlbench: Mlbench, birds: Path
) -> None:
    result = mlbench("add", "cub", birds, "--partial", "--json")
    assert result.exit_code == 0
    row = json.loads(result.stdout)[0]
    assert row["splits"] == {
        "train": {"classes": 1, "images": 2},
        "validation": {"classes": 1, "images": 2},
        "test": {"classes": 1, "images": 2},
    }
    assert row["root"] == str(birds)
    assert row["missing"] == "3 of 200 classes, 2 of ~59 images a class"
    assert f"incomplete: {row['missing']}; every result of cub will say so" in result.stderr


def test_an_incomplete_data_set_is_refused_with_the_command_that_packs_it(
    mlbench: Mlbench, birds: Path
) -> None:
    message = refusal(mlbench("add", "cub", birds), 1)
    assert message.endswith(f"to pack it as it is: mlbench data add cub {birds} --partial")


def test_adding_the_same_again_changes_nothing(mlbench: Mlbench, birds: Path, packed: str) -> None:
    written = (data_home() / "cub").stat().st_mtime_ns
    result = mlbench("add", "cub", birds, "--partial", "--json")
    assert "very content before; nothing has changed" in result.stderr
    assert json.loads(result.stdout)[0]["fingerprint"] == packed
    assert (data_home() / "cub").stat().st_mtime_ns == written


def test_other_content_needs_replace(mlbench: Mlbench, birds: Path, packed: str) -> None:
    Image.new("RGB", (9, 9)).save(birds / "images" / BIRDS[0] / "more.png")
    message = refusal(mlbench("add", "cub", birds, "--partial"), 1)
    assert message.endswith(f"mlbench data add cub {birds} --partial --replace")
    result = mlbench("add", "cub", birds, "--partial", "--replace", "--json")
    assert json.loads(result.stdout)[0]["fingerprint"] != packed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mini", r"is of another layout; mini is packed from images/ with train.csv"),
        ("bird", "data set 'bird' is not known; to add there are: cub, mini"),
        ("sine", "data set 'sine' is generated, not packed from files; to add there are: cub"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(
    name: str, message: str, mlbench: Mlbench, birds: Path
) -> None:
    assert message in refusal(mlbench("add", name, birds), 1 if name == "mini" else 2)


def test_a_path_that_does_not_exist_is_misuse(mlbench: Mlbench, tmp_path: Path) -> None:
    assert "nowhere is not a folder" in refusal(mlbench("add", "cub", tmp_path / "nowhere"), 2)


def test_an_empty_path_is_called_empty(mlbench: Mlbench, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is empty; cub is packed from" in refusal(mlbench("add", "cub", tmp_path / "empty"), 1)


def test_the_list_has_a_line_per_data_set(mlbench: Mlbench, packed: str) -> None:
    heading, line = mlbench("list").stdout.splitlines()
    assert heading.split() == ["name", "classes", "images", "megabytes", "fingerprint", "state"]
    assert line.split()[:3] == ["cub", "1/1/1", "6"]
    assert packed[:12] in line
    assert line.endswith("3 of 200 classes, 2 of ~59 images a class")


def test_an_empty_list_says_how_to_pack(mlbench: Mlbench) -> None:
    result = mlbench("list", "--json")
    assert json.loads(result.stdout) == []
    assert "to pack one: mlbench data add NAME PATH" in result.stderr


@pytest.mark.usefixtures("packed")
def test_a_damaged_data_set_is_listed_with_its_trouble(mlbench: Mlbench) -> None:
    (data_home() / "cub" / "test.npy").unlink()
    result = mlbench("list")
    assert result.exit_code == 0
    assert "test.npy cannot be read" in result.stdout


@pytest.mark.usefixtures("packed")
def test_verifying_finds_a_change_that_keeps_size_and_time(mlbench: Mlbench) -> None:
    assert mlbench("verify", "cub").exit_code == 0
    path = data_home() / "cub" / "test.npy"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(time, time))
    assert "test.npy was changed after packing; run: " in refusal(mlbench("verify", "cub"), 1)


@pytest.mark.parametrize("verb", ["verify", "remove"])
@pytest.mark.usefixtures("packed")
def test_a_name_that_is_not_packed_is_misuse(verb: str, mlbench: Mlbench) -> None:
    assert "packed are: cub; to pack one" in refusal(mlbench(verb, "mini"), 2)


@pytest.mark.usefixtures("packed")
def test_removing_asks_first(mlbench: Mlbench) -> None:
    assert mlbench("remove", "cub", stdin="n\n").exit_code == 1
    assert (data_home() / "cub").exists()
    assert mlbench("remove", "cub", stdin="y\n").exit_code == 0
    assert not (data_home() / "cub").exists()


@pytest.mark.usefixtures("packed")
def test_removing_with_yes_leaves_the_originals(mlbench: Mlbench, birds: Path) -> None:
    assert mlbench("remove", "cub", "--yes").exit_code == 0
    assert json.loads(mlbench("list", "--json").stdout) == []
    assert len(list(birds.rglob("*.png"))) == 6


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from mlbench.cli.data import list_packed;"
        "list_packed.main([], standalone_mode=False); print('torch' in sys.modules)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True, stderr=sys.stderr)
    assert output.splitlines()[-1] == "False"


@pytest.mark.parametrize("verb", ["add", "list", "verify", "remove"])
def test_every_verb_shows_an_example(verb: str, mlbench: Mlbench) -> None:
    assert f"mlbench data {verb}" in mlbench(verb, "--help").stdout.partition("Examples:")[2]
