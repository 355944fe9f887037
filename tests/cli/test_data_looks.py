"""``mlbench data show`` and ``mlbench data episode``: what there is, what a learner is handed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from mlbench.cli import main
from mlbench.contract import Stream
from mlbench.registry import load_dataset

Run = Callable[..., Result]
SMALL = ("--set", "train_classes=6", "--set", "images_per_class=8")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``mlbench data ...`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, ["data", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def pets(tmp_path: Path, run: Run) -> Path:
    """Pack seven classes of five images of the user's own, and return their folder."""
    for number in range(7):
        for image in range(5):
            pixels = np.full((9, 9, 3), 30 * number, dtype=np.uint8)
            pixels[0, image] = 255
            folder = tmp_path / "pets" / f"pet{number}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    split = ("--split", "train=3,val=2,test=rest", "--size", "9")
    assert run("add", "pets", tmp_path / "pets", *split).exit_code == 0
    return tmp_path / "pets"


def test_a_packed_data_set_is_shown_with_all_that_is_known_of_it(run: Run, pets: Path) -> None:
    facts = json.loads(run("show", "pets", "--json").stdout)
    assert facts["roots"] == [str(pets)]
    assert facts["state"] == "whole"
    assert facts["licence"] == "the user's own"
    assert facts["input"] == "3x9x9"
    assert [(row["split"], row["classes"], row["images"]) for row in facts["splits"]] == [
        ("train", 3, 15),
        ("validation", 2, 10),
        ("test", 2, 10),
    ]
    text = run("show", "pets").stdout
    assert facts["fingerprint"] in text
    assert text.splitlines()[-1].split() == ["test", "2", "10", "5", "5"]


def test_generated_images_are_shown_with_options_by_either_name(run: Run) -> None:
    for name in ("train_classes", "shapes.train_classes"):
        facts = json.loads(run("show", "shapes", "--set", f"{name}=9", "--json").stdout)
        assert facts["options"]["train_classes"] == 9
        assert facts["splits"][0]["classes"] == 9
        assert "roots" not in facts


def test_a_contact_sheet_is_written_as_a_png_file(run: Run, pets: Path) -> None:
    result = run("show", "pets", "--sheet", "sheet.png")
    assert "drawn into sheet.png" in result.stderr
    with Image.open("sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 5 * 56


def test_a_sheet_that_cannot_be_written_is_one_line(run: Run, pets: Path) -> None:
    result = run("show", "pets", "--sheet", "nowhere/sheet.png")
    assert result.exit_code == 1
    assert "nowhere/sheet.png cannot be written" in result.stderr.splitlines()[-1]


def test_an_episode_is_the_one_that_runs_meet(run: Run, tmp_path: Path) -> None:
    choice = ("--index", "7", "--ways", "4", "--shots", "2", "--queries", "3")
    told = json.loads(run("episode", "shapes", *choice, *SMALL, "--json").stdout)
    cls = load_dataset("shapes")
    data = cls(cls.Options.parse({"train_classes": "6", "images_per_class": "8"}))
    stream = Stream(fingerprint=data.fingerprint, split="test", ways=4, shots=2, queries=3, seed=0)
    task = data.draw(stream, 7, 8, device=torch.device("cpu"), dtype=torch.float32).task(0)
    assert told["episode_key"] == int(stream.keys(7, 8)[0])
    assert told["shape"] == list(task.query.x.shape[1:])
    expected = [float(task.query.x[task.query.y == label].mean()) for label in range(4)]
    found = [row["mean"] for row in told["parts"] if row["part"] == "query"]
    assert found == pytest.approx(expected, abs=6e-4)


def test_training_episodes_go_by_the_seed_and_others_do_not(run: Run) -> None:
    def key(*words: str) -> int:
        return int(
            json.loads(run("episode", "shapes", *words, *SMALL, "--json").stdout)["episode_key"]
        )

    small = ("--shots", "1", "--queries", "2")
    assert key("--seed", "3", *small) == key(*small)
    assert key("--split", "train", "--seed", "3", *small) != key("--split", "train", *small)


@pytest.mark.parametrize(
    ("words", "file"),
    [(("--png",), "shapes-validation-2.png"), (("--png", "own.png"), "own.png")],
)
def test_an_episode_is_drawn_into_a_file_of_its_name_or_of_another(
    words: tuple[str, ...], file: str, run: Run
) -> None:
    result = run("episode", "shapes", "--index", "2", "--split", "validation", *SMALL[2:],
                 "--shots", "2", "--queries", "3", *words)  # fmt: skip
    assert result.exit_code == 0
    with Image.open(file) as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sine",), "sine has no images to show"),
        (("shapes", "--ways", "70"), "has 20 test classes, not 70; lower --ways to 20 or less"),
        (("shapes", "--shots", "60"), "lower --shots or --queries"),
        (("shapes", "--queries", "16,8"), "every class of an episode has as many; give one"),
        (("shapes", "--set", "shade=1"), "shapes has no hyperparameter 'shade'"),
        (("nothing",), "there is no dataset 'nothing'"),
    ],
)
def test_what_cannot_be_shown_is_misuse_in_one_line(
    words: tuple[str, ...], message: str, run: Run
) -> None:
    result = run("episode", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("verb", ["show", "episode"])
def test_both_show_an_example(verb: str, run: Run) -> None:
    assert f"mlbench data {verb}" in run(verb, "--help").stdout.partition("Examples:")[2]
