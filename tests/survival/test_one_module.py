"""Nothing opens the database but one module: neither through DuckDB nor as a file.

As a file it would be worse than untidy: closing such a handle drops the lock that DuckDB has on
the file in that process, and others may write into it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from mlbench.store.paths import StorePaths

ROOT = Path(__file__).parents[2]
THE_ONE = Path("mlbench/store/connection.py")
SOURCES = sorted(
    path.relative_to(ROOT)
    for folder in ("mlbench", "algorithms", "datasets")
    for path in (ROOT / folder).rglob("*.py")
)

WATCHED = """
import os, sys
from pathlib import Path
from click.testing import CliRunner

database, own = Path(sys.argv[1]).resolve(), []

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        where = os.path.realpath(os.fsdecode(arguments[0]))
        if where in {str(database), f"{database}.wal"}:
            own.append(where)

sys.addaudithook(hook)
open(database, "a").close()
print("watching" if own else "blind")
os.unlink(database)
own.clear()

from mlbench.cli import main
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from tests.survival.typed import SINE

paths = StorePaths(database)
feed = Feed(paths)
feed.poll()
for words in (SINE, SINE, ("table",), ("list", "runs"), ("sql", "SELECT 1")):
    found = CliRunner().invoke(main, [*words, "--db", str(database)])
    print(words[0], found.exit_code, len(own))
    feed.poll()
ingest(paths)
print("end", len(feed.poll().runs), len(own))
"""


def connects(tree: ast.AST) -> bool:
    """Return whether a module asks DuckDB for a connection, or takes the function to do so."""
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr == "connect"
            and isinstance(node.value, ast.Name)
            and node.value.id == "duckdb"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "duckdb"
            and "connect" in {name.name for name in node.names}
        )
        or (
            isinstance(node, ast.Import)
            and any(name.name == "duckdb" and name.asname for name in node.names)
        )
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import duckdb\nduckdb.connect('a')", True),
        ("import duckdb\nopening = duckdb.connect", True),
        ("from duckdb import connect", True),
        ("import duckdb as db\ndb.connect('a')", True),
        ("import duckdb\nduckdb.Error", False),
    ],
)
def test_what_connects_is_known_by_its_source(source: str, expected: bool) -> None:
    assert connects(ast.parse(source)) == expected


def test_one_module_calls_duckdb() -> None:
    found = [path for path in SOURCES if connects(ast.parse((ROOT / path).read_text("utf-8")))]
    assert found == [THE_ONE]


@pytest.mark.slow
def test_no_verb_opens_the_database_as_a_file(paths: StorePaths) -> None:
    command = [sys.executable, "-c", WATCHED, str(paths.database)]
    lines = subprocess.check_output(command, text=True, cwd=ROOT).splitlines()
    assert lines == [
        "watching",
        *("run 0 0", "run 0 0", "table 0 0", "list 0 0", "sql 0 0"),
        "end 1 0",
    ]
