"""``mlbench data overlap``, and what runs say of data sets that share images."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageEnhance

from mlbench.cli import main
from mlbench.contract import Dataset
from mlbench.images.home import data_home
from mlbench.images.overlaps.report import run_warnings
from mlbench.registry import load_dataset

Mlbench = Callable[..., Result]
Pack = Callable[..., None]
BIRDS = ("003.Sooty_Albatross", "004.Groove_billed_Ani")


def scene(seed: int) -> Image.Image:
    """Return an image of 36 blurred patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(40, 216, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((60, 48))


@pytest.fixture
def mlbench() -> Mlbench:
    """Return a function that runs ``mlbench``."""

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, [*map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def pack(mlbench: Mlbench, tmp_path: Path) -> Pack:
    """Return a function that packs two classes for each split, with two images each, and more."""

    def write(name: str, first: int, *more: tuple[str, Image.Image]) -> None:
        lines = ["class,split"]
        for number, (split, each) in enumerate(product(("train", "val", "test"), (1, 2))):
            lines.append(f"{split}{each},{split}")
            for image in range(2):
                seed = first + 2 * number + image
                save(scene(seed), tmp_path / name / f"{split}{each}" / f"{seed}.png")
        for file, picture in more:
            save(picture, tmp_path / name / file)
        table = tmp_path / f"{name}.csv"
        table.write_text("\n".join(lines))
        words = ("data", "add", name, tmp_path / name, "--split-file", table, "--replace")
        assert mlbench(*words, "--size", "32").exit_code == 0

    return write


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def shared(pack: Pack) -> None:
    """Pack cats and dogs: a test image of dogs is a training image of cats, another nearly is."""
    darker = ImageEnhance.Brightness(scene(1).resize((90, 72))).enhance(0.8)
    pack("cats", 0)
    pack("dogs", 100, ("test1/a.png", scene(0)), ("test2/b.jpg", darker))


def refusal(result: Result) -> str:
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]


@pytest.mark.usefixtures("shared")
def test_images_that_both_hold_are_rows_on_stdout(mlbench: Mlbench) -> None:
    result = mlbench("data", "overlap", "cats", "dogs", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [(row["kind"], row["a_class"], row["a_split"]) for row in rows] == [
        ("exact", "train1", "train"),
        ("near", "train1", "train"),
    ]
    assert [(row["b_class"], row["b_split"]) for row in rows] == [
        ("test1", "test"),
        ("test2", "test"),
    ]
    images = np.load(data_home() / "cats" / "images.npy"), np.load(data_home() / "dogs/images.npy")
    exact, near = (
        [images[0][row["a_image"]].astype(int), images[1][row["b_image"]].astype(int)]
        for row in rows
    )
    assert np.array_equal(*exact)
    assert 0 < np.abs(0.8 * near[0] - near[1]).max() < 20


@pytest.mark.usefixtures("shared")
def test_stderr_says_what_it_means(mlbench: Mlbench) -> None:
    assert mlbench("data", "overlap", "cats", "dogs").stderr == (
        "2 images of dogs's test split are also in cats's train split (1 exact, 1 near): training"
        " on cats shows them before dogs is tested on\n"
    )


@pytest.mark.usefixtures("shared")
def test_csv_has_a_line_per_pair_also_where_there_is_none(mlbench: Mlbench) -> None:
    for names, count in ((("dogs", "cats"), 2), (("cats",), 0), (("cats", "cats"), 0)):
        result = mlbench("data", "overlap", *names, "--csv")
        assert result.exit_code == 0
        assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == count
        assert result.stdout.startswith("a_class,a_split,a_image,b_class,b_split,b_image,kind,")


def test_one_data_set_is_searched_for_doubles(mlbench: Mlbench, pack: Pack) -> None:
    pack("cats", 0, ("test1/leak.png", scene(2)), ("train1/twice.jpg", scene(0)))
    result = mlbench("data", "overlap", "cats")
    assert [line.split()[-2] for line in result.stdout.splitlines()] == ["kind", "exact", "near"]
    assert result.stderr.splitlines() == [
        "2 images of cats's train split are there again (2 near)",
        "1 image of cats's test split is also in cats's train split (1 exact): training on cats"
        " shows them before cats is tested on",
    ]


def test_text_ends_after_twenty_pairs_and_says_so(mlbench: Mlbench, pack: Pack) -> None:
    pack("cats", 0, *[(f"val1/{seed}.png", scene(seed)) for seed in range(200, 225)])
    pack("dogs", 100, *[(f"val2/{seed}.png", scene(seed)) for seed in range(200, 225)])
    result = mlbench("data", "overlap", "cats", "dogs")
    assert len(result.stdout.splitlines()) == 21
    assert "the first 20 of 25 pairs; --csv and --json print all" in result.stderr
    assert len(json.loads(mlbench("data", "overlap", "cats", "dogs", "--json").stdout)) == 25


@pytest.mark.usefixtures("shared")
def test_a_sheet_shows_the_pairs_side_by_side(mlbench: Mlbench, tmp_path: Path) -> None:
    sheet = tmp_path / "pairs.png"
    result = mlbench("data", "overlap", "cats", "dogs", "--sheet", sheet)
    assert f"drawn into {sheet}: 2 of 2 pairs" in result.stderr
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows = json.loads(mlbench("data", "overlap", "cats", "dogs", "--json").stdout)
    packed = np.load(data_home() / "cats" / "images.npy")[rows[0]["a_image"]]
    tile = np.asarray(Image.fromarray(packed).resize((112, 112), Image.Resampling.BICUBIC))
    places = [
        (top, left)
        for top in range(pixels.shape[0] - 111)
        for left in range(pixels.shape[1] - 111)
        if (pixels[top, left] == tile[0, 0]).all()
        and np.array_equal(pixels[top : top + 112, left : left + 112], tile)
    ]
    assert len(places) == 2
    assert places[0][0] == places[1][0]


@pytest.mark.usefixtures("shared")
def test_no_sheet_is_drawn_of_nothing(mlbench: Mlbench, tmp_path: Path) -> None:
    result = mlbench("data", "overlap", "cats", "--sheet", tmp_path / "pairs.png")
    assert result.exit_code == 0
    assert "there is nothing to draw" in result.stderr
    assert not (tmp_path / "pairs.png").exists()


@pytest.mark.usefixtures("shared")
def test_what_is_not_packed_is_refused(mlbench: Mlbench) -> None:
    for names in (("cats", "birds"), ("cub", "cats")):
        message = refusal(mlbench("data", "overlap", *names))
        assert "is packed in" in message
        assert "packed are: cats, dogs" in message
    for name in ("shapes", "sine"):
        message = refusal(mlbench("data", "overlap", "cats", name))
        assert f"{name} is generated, so it cannot share images with other data" in message


@pytest.mark.usefixtures("shared")
def test_a_record_that_cannot_be_kept_is_told_and_the_pairs_are_printed(mlbench: Mlbench) -> None:
    (data_home() / ".overlaps").touch()
    result = mlbench("data", "overlap", "cats", "dogs", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 2
    assert "runs will not know that these data were compared" in result.stderr


def opened(name: str, **options: str) -> Dataset:
    cls = load_dataset(name)
    return cls(cls.Options.parse(options, owner=name))


@pytest.mark.usefixtures("shared")
def test_a_run_says_that_data_were_not_checked_until_they_are(mlbench: Mlbench) -> None:
    both = {name: opened(name) for name in ("dogs", "cats")}
    check = "mlbench data overlap dogs cats"
    assert run_warnings(both, "dogs") == [
        f"dogs and cats were not checked for images that both hold; to check: {check}"
    ]
    mlbench(*check.split()[1:])
    assert run_warnings(both, "dogs") == []


@pytest.mark.usefixtures("shared")
def test_a_run_says_how_many_test_images_it_is_trained_on(mlbench: Mlbench) -> None:
    mlbench("data", "overlap", "dogs", "cats")
    cats, dogs = opened("cats"), opened("dogs")
    for target in (dogs, dogs.like((1, 20, 20))):
        assert run_warnings({"cats": cats, "dogs": target}, "cats") == [
            "2 images of dogs's test split are also in cats's train split (1 exact, 1 near);"
            " to see them: mlbench data overlap cats dogs"
        ]


@pytest.mark.usefixtures("shared")
def test_a_data_set_that_is_packed_again_is_to_be_checked_again(
    mlbench: Mlbench, pack: Pack
) -> None:
    mlbench("data", "overlap", "cats", "dogs")
    pack("dogs", 100, ("test1/c.png", scene(500)))
    both = {name: opened(name) for name in ("cats", "dogs")}
    assert "were not checked" in run_warnings(both, "cats")[0]


def test_generated_data_are_passed_over(pack: Pack) -> None:
    pack("cats", 0)
    data = {name: opened(name) for name in ("cats", "shapes", "glyphs")}
    assert run_warnings(data, "cats") == []
    assert run_warnings(data, "shapes") == []


def test_what_is_trained_on_goes_by_the_split_that_the_run_chooses(
    mlbench: Mlbench, pack: Pack, tmp_path: Path
) -> None:
    """Class 2 of CUB is for validation by one published split, for training by another."""
    for number, bird in enumerate(("001.Black_footed_Albatross", "002.Laysan_Albatross", *BIRDS)):
        for image in range(2):
            save(scene(300 + 2 * number + image), tmp_path / "cub" / bird / f"{image}.png")
    assert mlbench("data", "add", "cub", tmp_path / "cub", "--partial").exit_code == 0
    pack("cats", 0, ("test1/albatross.png", scene(302)))
    mlbench("data", "overlap", "cats", "cub")
    cats = opened("cats")
    assert run_warnings({"cub": opened("cub"), "cats": cats}, "cub") == []
    for split, count in (("meta_dataset", 1), ("feat", 0), ("chen", 0)):
        assert len(run_warnings({"cub": opened("cub", split=split), "cats": cats}, "cub")) == count


@pytest.mark.usefixtures("shared")
def test_the_warning_comes_before_the_run(
    mlbench: Mlbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(*_: object, **__: object) -> NoReturn:
        click.echo("launched", err=True)
        raise SystemExit(0)

    monkeypatch.setattr("mlbench.session.launch.launch", launch)
    mlbench("data", "overlap", "cats", "dogs")
    words = ("--train", "cats", "--eval", "dogs", "--ways", "2", "--shots", "1", "--queries", "1")
    result = mlbench("run", "maml", *words, "--db", tmp_path / "runs.duckdb")
    warning, launched = result.stderr.splitlines()
    assert warning.startswith("2 images of dogs's test split are also in cats's train split")
    assert launched == "launched"


@pytest.mark.usefixtures("shared")
def test_comparing_loads_no_torch() -> None:
    code = (
        "import sys; from mlbench.cli.data import overlap;"
        "overlap.command.main(['cats', 'dogs'], standalone_mode=False);"
        "print('torch' in sys.modules)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.splitlines()[-1] == "False"


def test_the_verb_shows_an_example(mlbench: Mlbench) -> None:
    examples = mlbench("data", "overlap", "--help").stdout.partition("Examples:")[2]
    assert "mlbench data overlap mini cub" in examples


def test_real_copies_are_found_among_other_images(
    mlbench: Mlbench, real_data: Path, tmp_path: Path
) -> None:
    """Ten photographs of birds, compressed or squashed, among ten crops of others."""
    originals = real_data / "cub" / "CUB_200_2011_sub10x20"
    crops = sorted((real_data / "cub" / "bboxcrop227_100x30" / "images").glob("*/*.jpg"))
    photos = sorted((originals / "images").glob("*/*.jpg"))
    for number, path in enumerate([*photos[::20], *crops[::300]]):
        with Image.open(path) as image:
            copy = image.resize((84, 84)) if number % 2 else image
            file = tmp_path / "mine" / f"class{number % 3}" / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            copy.convert("RGB").save(file, quality=60)
    split = ("--split", "train=1,val=1,test=1")
    assert mlbench("data", "add", "mine", tmp_path / "mine", *split).exit_code == 0
    assert mlbench("data", "add", "cub", originals, "--partial").exit_code == 0
    rows = json.loads(mlbench("data", "overlap", "mine", "cub", "--json").stdout)
    assert len(rows) == len({row["b_image"] for row in rows}) == 10
    assert {row["kind"] for row in rows} == {"near"}
    assert len({row["b_class"] for row in rows}) == 10
