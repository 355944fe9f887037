"""``mlbench data download``, from a server on this machine to a packed data set."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mlbench.cli import main
from mlbench.cli.data import download as verb
from mlbench.images.fetch.fetcher import downloads_folder
from mlbench.images.home import data_home, pack_folder
from tests.refused import refusal
from tests.served import Site, ranged, refused, whole

Run = Callable[..., Result]
NAMES = ("ant", "bee", "cat")
PLUGIN = '''
"""Noise: three classes of two images.

Source: nowhere.
"""

from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import CLASS_FOLDERS, Layout
from mlbench.images.layouts.folders import read_class_folders
from mlbench.images.packed import ClassSplit


def read(roots):
    return read_class_folders(roots[0] / "noise")


class Noise(PackedImages):
    """Three classes."""

    name = "noise"
    source = "Nobody, 2024"
    licence = "for nothing but this test"
    obtain = "noise from its author"
    layouts = (Layout("a noise/ tree", read),)
    downloads = ({downloads})
    class_splits = (
        ClassSplit("ours", "this test", {{"ant": "train", "bee": "validation", "cat": "test"}}),
    )
    images = 6
    images_per_class = 2
    image_size = 8
'''


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``mlbench data ...``; what is typed comes from a terminal."""

    def invoke(*words: str | Path, stdin: str | None = None) -> Result:
        monkeypatch.setattr(verb, "on_terminal", lambda: stdin is not None)
        result = CliRunner().invoke(main, ["data", *map(str, words)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def archive(*names: str) -> bytes:
    """Return a zip file with two images of each class."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for number, name in enumerate(names):
            for image in range(2):
                picture = io.BytesIO()
                colour = (len(name) * 40, number, 50 * image + ord(name[0]))
                Image.new("RGB", (9, 9), colour).save(picture, "PNG")
                file.writestr(f"{name}/{image}.png", picture.getvalue())
    return content.getvalue()


ONE, TWO = archive("ant", "bee"), archive("cat")


def install(
    server: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *downloads: object
) -> None:
    """Make a plugin of a data set that has these official files."""
    folder = tmp_path / "plugins" / "datasets"
    folder.mkdir(parents=True)
    text = PLUGIN.format(downloads="".join(f"{each!r}, " for each in downloads))
    (folder / "noise.py").write_text(text)
    monkeypatch.setenv("MLBENCH_PLUGINS", str(folder.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture
def noise(server: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return the server of the official files of data set ``noise``."""
    one = server.offer("/one.zip", ONE, folder="noise")
    two = server.offer("/two.zip", TWO, folder="noise")
    install(server, tmp_path, monkeypatch, one, two)
    return server


def test_a_data_set_is_downloaded_and_packed(noise: Site, run: Run) -> None:
    result = run("download", "noise", "--yes", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert (row["name"], row["state"]) == ("noise", "whole")
    folder = downloads_folder("noise")
    assert row["roots"] == [str(folder / "one.zip"), str(folder / "two.zip")]
    assert {path.name for path in data_home().iterdir() if path.suffix != ".lock"} == {
        "noise",
        ".downloads",
    }
    assert result.stderr.splitlines()[-1] == (
        f"the downloaded files are kept in {folder}; mlbench needs them no more, so you may"
        " delete them"
    )


def test_what_will_come_is_said_before_anything_is_asked_for(noise: Site, run: Run) -> None:
    result = run("download", "noise", stdin="n\n")
    assert result.exit_code == 1
    for words in (
        "noise: Nobody, 2024",
        "licence: for nothing but this test",
        f"from: {noise.address}/one.zip ({len(ONE)} bytes)",
        f"from: {noise.address}/two.zip ({len(TWO)} bytes)",
        f"to: {downloads_folder('noise')}",
        " are free",
        "Accept the licence, and download? [y/N]",
        "Nothing was done.",
    ):
        assert words in result.stderr
    assert noise.requests == []


def test_a_licence_is_accepted_on_the_terminal(noise: Site, run: Run) -> None:
    assert run("download", "noise", stdin="y\n").exit_code == 0
    assert pack_folder("noise").exists()


def test_nobody_to_ask_is_a_refusal(noise: Site, run: Run) -> None:
    message = refusal(run("download", "noise", "--size", "16"), 2)
    assert message.endswith("to accept it: mlbench data download noise --size 16 --yes")
    assert noise.requests == []


def test_pack_options_are_those_of_adding(noise: Site, run: Run) -> None:
    options = ("--size", "10", "--resize", "area", "--json")
    (row,) = json.loads(run("download", "noise", "--yes", *options).stdout)
    assert (row["image_size"], row["resize"]) == (10, "area")


def test_downloading_what_is_packed_already_fetches_nothing(noise: Site, run: Run) -> None:
    before = run("download", "noise", "--yes", "--json").stdout
    asked = len(noise.requests)
    result = run("download", "noise", "--json")
    assert result.exit_code == 0
    assert result.stdout == before
    assert "noise is packed already, and whole; nothing is downloaded" in result.stderr
    assert len(noise.requests) == asked


def test_other_content_of_that_name_needs_replace(noise: Site, run: Run) -> None:
    run("download", "noise", "--yes")
    message = refusal(run("download", "noise", "--yes", "--size", "16"), 1)
    assert message.endswith(
        "already, in another way; to replace it: mlbench data download noise --size 16 --replace"
    )
    asked = len(noise.requests)
    again = run("download", "noise", "--yes", "--size", "16", "--replace", "--json")
    assert json.loads(again.stdout)[0]["image_size"] == 16
    assert len(noise.requests) == asked  # the files are still there


@pytest.mark.parametrize("trouble", ["incomplete", "damaged"])
def test_half_a_data_set_needs_replace(trouble: str, noise: Site, run: Run, tmp_path: Path) -> None:
    if trouble == "incomplete":
        (tmp_path / "one.zip").write_bytes(ONE)
        assert run("add", "noise", tmp_path / "one.zip", "--partial").exit_code == 0
    else:
        run("download", "noise", "--yes")
        (pack_folder("noise") / "images.npy").write_bytes(b"")
    message = refusal(run("download", "noise", "--yes"), 1)
    what = "2 of 3 classes" if trouble == "incomplete" else "and damaged"
    assert f"already, {what}; to replace it: mlbench data download noise --replace" in message
    assert run("download", "noise", "--yes", "--replace").exit_code == 0


def test_files_need_not_be_kept(noise: Site, run: Run) -> None:
    result = run("download", "noise", "--yes", "--no-keep")
    assert result.exit_code == 0
    assert not downloads_folder("noise").exists()
    assert "you may delete them" not in result.stderr


def test_what_somebody_put_beside_them_is_kept(noise: Site, run: Run) -> None:
    downloads_folder("noise").mkdir(parents=True)
    (downloads_folder("noise") / "notes").touch()
    assert run("download", "noise", "--yes", "--no-keep").exit_code == 0
    assert [path.name for path in downloads_folder("noise").iterdir()] == ["notes"]


def test_an_interrupt_says_how_to_go_on(
    noise: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise.serve("/two.zip", ranged(TWO))

    @contextmanager
    def interrupted(*_: object, **__: object) -> Iterator[Callable[[int], None]]:
        def advance(count: int) -> None:
            if len(noise.requests) == 2 and count:
                raise KeyboardInterrupt

        yield advance

    with monkeypatch.context() as patch:
        patch.setattr(verb, "progress", interrupted)
        result = run("download", "noise", "--yes", "--resize", "area")
    assert result.exit_code == 130
    folder = downloads_folder("noise")
    assert (
        f"what was downloaded is kept in {folder}; to go on:"
        " mlbench data download noise --resize area" in result.stderr
    )
    assert {path.name for path in folder.iterdir()} == {
        "one.zip",
        "two.zip.part",
        "two.zip.part.json",
    }
    assert run("download", "noise", "--yes", "--resize", "area").exit_code == 0
    assert [path for path, _ in noise.requests] == ["/one.zip", "/two.zip", "/two.zip"]


def test_what_is_here_already_is_said(noise: Site, run: Run) -> None:
    downloads_folder("noise").mkdir(parents=True)
    (downloads_folder("noise") / "one.zip").write_bytes(ONE)
    words = f"to: {downloads_folder('noise')}, where {len(ONE)} bytes are"
    assert words in run("download", "noise", stdin="n\n").stderr


def test_a_download_that_fails_is_one_line(noise: Site, run: Run) -> None:
    noise.serve("/two.zip", refused(404))
    message = refusal(run("download", "noise", "--yes"), 1)
    assert f"{noise.address}/two.zip cannot be fetched: the server answers 404" in message
    assert not pack_folder("noise").exists()


def test_a_damaged_download_is_one_line(noise: Site, run: Run) -> None:
    noise.serve("/two.zip", whole(TWO[:-1] + b"?"))
    message = refusal(run("download", "noise", "--yes"), 1)
    assert message.endswith("it is deleted; to fetch it again, repeat the command")
    assert [path.name for path in downloads_folder("noise").iterdir()] == ["one.zip"]


def test_a_disk_without_room_is_said_before_anybody_is_asked(
    noise: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1500))
    assert len(ONE) + len(TWO) < 1500  # there is room for the download, not for what comes of it
    assert "GB are free; make room" in refusal(run("download", "noise", stdin="y\n"), 1)
    assert noise.requests == []


def test_without_official_files_it_is_said_how_to_get_them(
    server: Site, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(server, tmp_path, monkeypatch)
    assert refusal(run("download", "noise", "--yes"), 1) == (
        "Error: mlbench knows no official address with a published checksum that noise may be"
        " fetched from without asking (licence: for nothing but this test); get noise from its"
        " author; then run: mlbench data add noise PATH"
    )


def test_mini_is_not_downloaded(run: Run) -> None:
    message = refusal(run("download", "mini", "--yes"), 1)
    assert "the terms of ImageNet" in message
    assert message.endswith("then run: mlbench data add mini PATH")


def test_names_that_cannot_be_downloaded_are_misuse(run: Run, tmp_path: Path) -> None:
    assert "there is no dataset 'nowhere'" in refusal(run("download", "nowhere"), 2)
    assert "'sine' is generated, not packed from files" in refusal(run("download", "sine"), 2)
    for name in NAMES:
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "pets" / name / "1.png")
    added = run("add", "pets", tmp_path / "pets", "--split", "train=1,val=1,test=1")
    assert added.exit_code == 0
    assert "'pets' is made of your own images" in refusal(run("download", "pets"), 2)


def test_downloaded_archives_can_be_added_by_hand(noise: Site, run: Run, tmp_path: Path) -> None:
    run("download", "noise", "--yes")
    for name, content in {"first.zip": ONE, "second": TWO}.items():
        (tmp_path / name).write_bytes(content)
    result = run("add", "noise", tmp_path / "first.zip", tmp_path / "second")
    assert result.exit_code == 0
    assert "was packed with this very content before; nothing has changed" in result.stderr


def test_the_help_shows_examples(run: Run) -> None:
    assert "mlbench data download" in run("download", "--help").stdout.partition("Examples:")[2]
