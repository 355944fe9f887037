"""The pages of results are what their commands print over the runs beside them."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import click
import polars as pl
import pytest

from mlbench.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("results*.md"))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
LARGEST = 5_000_000  # bytes of the tables of one database that are kept in the repository


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return docs/results.py, which is in no package."""
    place = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_every_command_of_the_pages_is_run_and_parses(script: ModuleType) -> None:
    sessions = [found[1] for found in script.SESSION.finditer(TEXT)]
    assert len(sessions) == len(re.findall(r"^\$ ", TEXT, re.MULTILINE)) > 5
    for session in sessions:
        verb, *rest = shlex.split(session.replace("\\\n", ""))[1:]
        command = main.get_command(click.Context(main), verb)
        assert command is not None
        command.make_context(verb, rest)


def test_their_pictures_are_there() -> None:
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", TEXT)
    assert pictures
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)


def test_their_tables_are_small() -> None:
    folders = [folder for folder in (ROOT / "docs" / "results").iterdir() if folder.is_dir()]
    assert folders
    for folder in folders:
        assert 0 < sum(file.stat().st_size for file in folder.iterdir()) < LARGEST


@pytest.fixture(scope="module")
def databases(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the databases that the pages speak of."""
    made: dict[str, str] = script.databases(tmp_path_factory.mktemp("results"))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_what_its_commands_print(
    page: Path, script: ModuleType, databases: dict[str, str]
) -> None:
    text = page.read_text(encoding="utf-8")
    assert script.refreshed(text, databases, draw=False) == text


def test_no_file_of_a_machine_is_named_in_their_tables() -> None:
    tables = (ROOT / "docs" / "results").rglob("plugin_files.parquet")
    paths = pl.concat([pl.read_parquet(table) for table in tables])["path"]
    assert len(paths)
    assert not paths.str.starts_with("/").any()
