"""``mlbench data``: stdout is data, stderr is narration, every refusal is one line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mlbench.cli import main
from mlbench.images.home import data_home
from tests.refused import refusal

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
    assert row["roots"] == [str(birds)]
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
        ("bird", "'bird' is no data set that mlbench knows; to pack one of yours, say which of"),
        ("sine", "data set 'sine' is generated, not packed from files; take another name"),
        ("my-birds", "'my-birds' cannot be the name of a data set; take letters, digits and under"),
        ("_birds", "'_birds' cannot be the name of a data set"),
        ("3birds", "'3birds' cannot be the name of a data set"),
        ("../birds", "'../birds' cannot be the name of a data set"),
        ("learner", "'learner' cannot be the name of a data set; that means something else"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(
    name: str, message: str, mlbench: Mlbench, birds: Path
) -> None:
    assert message in refusal(mlbench("add", name, birds), 1 if name == "mini" else 2)


def test_a_path_that_does_not_exist_is_misuse(mlbench: Mlbench, tmp_path: Path) -> None:
    message = refusal(mlbench("add", "cub", tmp_path / "nowhere"), 2)
    assert "nowhere is not there; give the folder, file or archive with the images" in message


def test_an_empty_path_is_called_empty(mlbench: Mlbench, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is empty; cub is packed from" in refusal(mlbench("add", "cub", tmp_path / "empty"), 1)


def test_the_list_has_a_line_per_data_set(mlbench: Mlbench, packed: str) -> None:
    heading, line = mlbench("list").stdout.splitlines()
    assert heading.split() == ["name", "classes", "images", "megabytes", "fingerprint", "state"]
    assert line.split()[:3] == ["cub", "1/1/1", "6"]
    assert packed[:12] in line
    assert line.endswith("3 of 200 classes, 2 of ~59 images a class")


@pytest.mark.usefixtures("packed")
def test_json_says_all_there_is_to_know(mlbench: Mlbench, birds: Path, packed: str) -> None:
    (row,) = json.loads(mlbench("list", "--json").stdout)
    megabytes = row.pop("megabytes")
    assert row == {
        "name": "cub",
        "state": "3 of 200 classes, 2 of ~59 images a class",
        "missing": "3 of 200 classes, 2 of ~59 images a class",
        "damaged": [],
        "fingerprint": packed,
        "folder": str(data_home() / "cub"),
        "roots": [str(birds)],
        "layout": "a folder per class",
        "resize": "squash-bicubic",
        "crop": "none",
        "invert": False,
        "image_size": 84,
        "channels": 3,
        "splits": {split: {"classes": 1, "images": 2} for split in ("train", "validation", "test")},
        "split_rule": "Chen et al., 2019",
        "licence": "for non-commercial research and education",
    }
    assert megabytes == pytest.approx(6 * 84 * 84 * 3 / 1e6, abs=0.06)


@pytest.mark.usefixtures("packed")
def test_csv_has_the_same_columns_as_json(mlbench: Mlbench) -> None:
    rows = json.loads(mlbench("list", "--json").stdout)
    table = list(csv.DictReader(io.StringIO(mlbench("list", "--csv").stdout)))
    assert [list(row) for row in table] == [list(row) for row in rows]


def test_options_of_the_recipe_are_on_record(mlbench: Mlbench, birds: Path, packed: str) -> None:
    options = ("--resize", "area", "--size", "20")
    again = refusal(mlbench("add", "cub", birds, "--partial", *options), 1)
    assert again.endswith(" --partial --resize area --size 20 --replace")
    result = mlbench("add", "cub", birds, "--partial", *options, "--replace", "--json")
    (row,) = json.loads(result.stdout)
    assert (row["resize"], row["crop"], row["image_size"]) == ("area", "none", 20)
    assert row["fingerprint"] != packed
    assert np.load(data_home() / "cub" / "images.npy").shape == (6, 20, 20, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "7"), "Invalid value for '--size': 7 is not in the range x>=8."),
        (("--size", "large"), "Invalid value for '--size': 'large' is not a valid integer range."),
        (("--resize", "nearest"), "Invalid value for '--resize': 'nearest' is not one of "),
        (
            ("--crop", "middle"),
            "Invalid value for '--crop': 'middle' is not one of 'none', 'bbox'.",
        ),
        (
            ("--split", "train=2"),
            "cub has published splits, and a run chooses one (--set cub.split=",
        ),
        (("--split-file", "mine.csv"), "leave out --split and --split-file"),
        (("--colour", "red"), "No such option '--colour'."),
    ],
)
def test_an_option_that_makes_no_sense_is_misuse(
    options: tuple[str, str], message: str, mlbench: Mlbench, birds: Path
) -> None:
    assert message in refusal(mlbench("add", "cub", birds, *options), 2)
    assert not (data_home() / "cub").exists()


def test_a_path_is_needed(mlbench: Mlbench) -> None:
    assert "Missing argument 'PATH...'" in refusal(mlbench("add", "cub"), 2)


def test_images_without_bounding_boxes_cannot_be_cut_to_them(mlbench: Mlbench, birds: Path) -> None:
    message = refusal(mlbench("add", "cub", birds, "--partial", "--crop", "bbox"), 1)
    assert "Albatross/0.png has no bounding box; add it without --crop bbox, or from" in message


def test_several_paths_are_packed_together(mlbench: Mlbench, birds: Path, tmp_path: Path) -> None:
    (tmp_path / "more" / "images").mkdir(parents=True)
    (birds / "images" / BIRDS[2]).rename(tmp_path / "more" / "images" / BIRDS[2])
    result = mlbench("add", "cub", birds, tmp_path / "more", "--partial", "--json")
    (row,) = json.loads(result.stdout)
    assert row["roots"] == [str(birds), str(tmp_path / "more")]
    assert row["splits"]["test"] == {"classes": 1, "images": 2}
    assert f"cub: 6 images in {birds} and {tmp_path / 'more'}: a folder per" in result.stderr


def test_damaged_images_are_left_out_on_demand_and_named(mlbench: Mlbench, birds: Path) -> None:
    damaged = birds / "images" / BIRDS[1] / "1.png"
    damaged.write_bytes(b"no image")
    message = refusal(mlbench("add", "cub", birds, "--partial"), 1)
    assert f"{damaged} cannot be decoded (it is no image); restore it" in message
    result = mlbench("add", "cub", birds, "--partial", "--skip-damaged", "--json")
    assert f"left out, since it cannot be decoded: {damaged}" in result.stderr
    (row,) = json.loads(result.stdout)
    assert row["damaged"] == [str(damaged)]
    assert row["state"].endswith("2 of ~59 images a class, 1 damaged image left out")
    assert row["splits"]["validation"] == {"classes": 1, "images": 1}
    assert f"incomplete: {row['missing']}; every result of cub will say so" in result.stderr


def test_an_empty_list_says_how_to_pack(mlbench: Mlbench) -> None:
    result = mlbench("list", "--json")
    assert json.loads(result.stdout) == []
    assert "to pack one: mlbench data add NAME PATH" in result.stderr


@pytest.mark.usefixtures("packed")
def test_a_damaged_data_set_is_listed_with_its_trouble(mlbench: Mlbench) -> None:
    (data_home() / "cub" / "images.npy").unlink()
    result = mlbench("list")
    assert result.exit_code == 0
    assert "images.npy cannot be read" in result.stdout


@pytest.mark.usefixtures("packed")
def test_verifying_finds_a_change_that_keeps_size_and_time(mlbench: Mlbench) -> None:
    assert mlbench("verify", "cub").exit_code == 0
    path = data_home() / "cub" / "images.npy"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(time, time))
    assert "images.npy was changed after packing (004.Groove_billed_Ani); run: " in refusal(
        mlbench("verify", "cub"), 1
    )


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


@pytest.mark.usefixtures("packed")
def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from mlbench.cli.data.list_ import command;"
        "command.main([], standalone_mode=False); print('torch' in sys.modules)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True, stderr=sys.stderr)
    assert output.splitlines()[-2].split()[0] == "cub"
    assert output.splitlines()[-1] == "False"


@pytest.mark.parametrize("verb", ["add", "list", "verify", "remove"])
def test_every_verb_shows_an_example(verb: str, mlbench: Mlbench) -> None:
    assert f"mlbench data {verb}" in mlbench(verb, "--help").stdout.partition("Examples:")[2]
