"""The page of results is what its commands print over the runs beside it."""

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
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
LARGEST = 5_000_000  # bytes of tables that are kept in the repository


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return docs/results.py, which is in no package."""
    place = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_every_command_of_the_page_is_run_and_parses(script: ModuleType) -> None:
    sessions = [found[1] for found in script.SESSION.finditer(PAGE)]
    assert len(sessions) == len(re.findall(r"^\$ ", PAGE, re.MULTILINE)) > 5
    for session in sessions:
        verb, *rest = shlex.split(session.replace("\\\n", ""))[1:]
        command = main.get_command(click.Context(main), verb)
        assert command is not None
        command.make_context(verb, rest)


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", PAGE)
    assert pictures
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)


def test_its_tables_are_small() -> None:
    files = (ROOT / "docs" / "results").rglob("*.parquet")
    assert 0 < sum(file.stat().st_size for file in files) < LARGEST


@pytest.mark.slow
def test_the_page_is_what_its_commands_print(script: ModuleType, tmp_path: Path) -> None:
    assert script.refreshed(PAGE, script.store(tmp_path), draw=False) == PAGE


def test_no_file_of_a_machine_is_named_in_its_tables() -> None:
    tables = (ROOT / "docs" / "results").rglob("plugin_files.parquet")
    paths = pl.concat([pl.read_parquet(table) for table in tables])["path"]
    assert len(paths)
    assert not paths.str.starts_with("/").any()
