"""Own images, from folders to a run: ``mlbench data add NAME PATH --split ...`` and all after."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mlbench.cli import main
from mlbench.images.home import data_home
from tests.refused import refusal

NAMES = ("cat", "dog", "emu", "fox", "gnu", "hen", "ibis", "jay")
Mlbench = Callable[..., Result]
SPLIT = ("--split", "train=0.5,val=2,test=rest")


@pytest.fixture
def mlbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mlbench:
    """Return a function that runs ``mlbench`` in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return eight class folders of four small images each."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        folder = tmp_path / "pets" / name
        folder.mkdir(parents=True)
        for image in range(4):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    return tmp_path / "pets"


@pytest.fixture
def packed(mlbench: Mlbench, pets: Path) -> str:
    """Return the fingerprint of these pets, packed."""
    result = mlbench("data", "add", "pets", pets, *SPLIT, "--size", "16", "--json")
    return str(json.loads(result.stdout)[0]["fingerprint"])


def test_own_images_are_packed_with_a_split_of_ones_own(mlbench: Mlbench, pets: Path) -> None:
    result = mlbench("data", "add", "pets", pets, *SPLIT, "--size", "16", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert row["splits"] == {
        "train": {"classes": 4, "images": 16},
        "validation": {"classes": 2, "images": 8},
        "test": {"classes": 2, "images": 8},
    }
    assert row["split_rule"] == (
        "by amounts (train 0.5, validation 2, test rest) in the order of hashed names"
    )
    assert (row["state"], row["licence"], row["image_size"]) == ("whole", "the user's own", 16)
    assert f"pets: 32 images in {pets}: a folder per class" in result.stderr


def test_options_of_the_split_add_up(mlbench: Mlbench, pets: Path) -> None:
    options = ("--split", "train=4", "--split", "val=2", "--split", "test=2")
    together = mlbench("data", "add", "pets", pets, *options, "--size", "16", "--json")
    (row,) = json.loads(together.stdout)
    assert [each["classes"] for each in row["splits"].values()] == [4, 2, 2]


def test_a_file_says_the_split(mlbench: Mlbench, pets: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("class,split\ncat,train\ndog,train\nemu,val\njay,test\n")
    options = ("--split-file", tmp_path / "mine.csv", "--size", "16", "--json")
    (row,) = json.loads(mlbench("data", "add", "pets", pets, *options).stdout)
    assert [each["classes"] for each in row["splits"].values()] == [2, 1, 1]
    assert row["split_rule"] == "by mine.csv"


@pytest.mark.usefixtures("packed")
def test_own_images_are_listed_among_the_data_sets(mlbench: Mlbench) -> None:
    rows = {row["name"]: row for row in json.loads(mlbench("list", "datasets", "--json").stdout)}
    assert rows["pets"] == {
        "name": "pets",
        "summary": "Images of the user's own.",
        "files": [str(data_home() / "pets")],
        "fault": None,
    }
    assert list(rows) == sorted(rows)
    assert "pets" in mlbench("list", "datasets", "--names").stdout.splitlines()
    assert "pets" in mlbench("list", "datasets").stdout


@pytest.mark.usefixtures("packed")
def test_own_images_are_described(mlbench: Mlbench) -> None:
    result = mlbench("describe", "pets")
    assert result.exit_code == 0
    assert result.stdout.startswith("pets (dataset)\n\nImages of the user's own, split by amounts")
    assert "A user's own images: any folder" not in result.stdout  # that is mlbench's own file
    (described,) = json.loads(mlbench("describe", "pets", "--json").stdout)
    assert (described["kind"], described["licence"]) == ("classification", "the user's own")
    assert described["data"].startswith("complete")


@pytest.mark.usefixtures("packed")
def test_a_run_on_own_images_needs_nothing_else(mlbench: Mlbench, tmp_path: Path) -> None:
    result = mlbench(
        *("run", "protonet", "--train", "pets", "--budget", "smoke", "--ways", "2"),
        *("--shots", "1", "--queries", "2", "--set", "learner.channels=4"),
        *("--train-tasks", "12", "--validation-tasks", "4"),
        *("--validate-every", "6", "--test-tasks", "6"),
        *("--set", "train_ways=2", "--set", "train_queries=2", "--set", "learner.padding=1"),
        *("--db", tmp_path / "runs.duckdb"),
    )
    assert result.exit_code == 0, result.stderr
    assert "pets" in result.stdout
    listed = mlbench("list", "runs", "--json", "--db", tmp_path / "runs.duckdb")
    (run,) = json.loads(listed.stdout)
    assert (run["train_dataset"], run["status"]) == ("pets", "finished")


@pytest.mark.usefixtures("packed")
def test_own_images_are_removed_as_any_others(mlbench: Mlbench, pets: Path) -> None:
    assert mlbench("data", "remove", "pets", "--yes").exit_code == 0
    assert "pets" not in mlbench("list", "datasets", "--names").stdout.splitlines()
    assert "there is no algorithm or dataset 'pets'" in refusal(mlbench("describe", "pets"), 2)
    assert len(list(pets.rglob("*.png"))) == 32


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "'pets' is no data set that mlbench knows; to pack one of yours, say which of its"),
        (("--split", "train"), 2, "--split takes train=64,val=16,test=20, as shares"),
        (("--split", "train=9"), 2, "--split asks for 9 classes, and there are 8; ask for fewer"),
        (("--split", "train=rest,test=rest"), 2, "--split gives rest to two splits; give one of"),
        (("--split", "train=1.5"), 2, "--split cannot take 1.5; take a whole number, or a share"),
        (("--split", "train=cats,test=dogs"), 1, "--split names cats, which is not there; looked"),
        (("--split-file", "mine.csv"), 2, "--split-file mine.csv is not there; give a CSV file"),
        (("--split", "train=8", "--split-file", "x"), 2, "exclude each other; give one of them"),
        (("--split", "train=8", "--crop", "bbox"), 1, "has no bounding box; add it without --crop"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    options: tuple[str, ...], code: int, message: str, mlbench: Mlbench, pets: Path
) -> None:
    assert message in refusal(mlbench("data", "add", "pets", pets, *options), code)
    assert not (data_home() / "pets").exists()


@pytest.mark.usefixtures("packed")
def test_another_split_needs_replace(mlbench: Mlbench, pets: Path, packed: str) -> None:
    words = ("data", "add", "pets", pets, "--split", "train=6,test=2", "--size", "16")
    message = refusal(mlbench(*words), 1)
    assert message.endswith(
        f"mlbench data add pets {pets} --size 16 --split train=6,test=2 --replace"
    )
    (row,) = json.loads(mlbench(*words, "--replace", "--json").stdout)
    assert row["fingerprint"] != packed


@pytest.mark.parametrize(
    ("text", "listed"),
    [("{", False), ("[]", False), ("{}", False), ('{"own": true}', True), (None, False)],
    ids=["cut short", "a list", "empty", "nothing else", "absent"],
)
@pytest.mark.usefixtures("packed")
def test_a_damaged_manifest_breaks_no_list(
    text: str | None, listed: bool, mlbench: Mlbench
) -> None:
    path = data_home() / "pets" / "manifest.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    result = mlbench("list", "datasets", "--json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert "mini" in rows
    assert ("pets" in rows) == listed
    if listed:
        assert "manifest.json is damaged; run: mlbench data add pets" in rows["pets"]["fault"]
        assert "manifest.json is damaged" in refusal(mlbench("describe", "pets"), 1)
    kept = mlbench("data", "list")
    assert kept.exit_code == 0
    assert "manifest.json is" in kept.stdout


@pytest.mark.usefixtures("packed")
def test_an_edited_manifest_is_a_fault_of_that_data_set_alone(mlbench: Mlbench) -> None:
    path = data_home() / "pets" / "manifest.json"
    path.write_text(path.read_text().replace('"validation"', '"train"'))
    rows = {row["name"]: row for row in json.loads(mlbench("list", "datasets", "--json").stdout)}
    assert "manifest.json was changed after packing" in rows["pets"]["fault"]
    assert rows["mini"]["fault"] is None


def test_a_name_that_resembles_a_known_one_is_told(mlbench: Mlbench, pets: Path) -> None:
    result = mlbench("data", "add", "minii", pets, "--split", "train=2,test=2")
    assert "so it is one of your own (there is 'mini', of which more is known)" in result.stderr
    assert re.search(r"^\d+ classes are in no split and left out", result.stderr, re.MULTILINE)
    assert "minii has no validation classes" in result.stderr
