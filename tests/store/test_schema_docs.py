"""docs/schema.md against the database: every column, and every example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlbench.store.connection import read
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import sql

DOCUMENT = (Path(__file__).parents[2] / "docs" / "schema.md").read_text()
COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    ORDER BY table_name, ordinal_position
"""
ROW = re.compile(r"\| `(\w+)` \| ([^|]+) \| [^|]* \| ([^|]+) \|")
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def documented() -> list[tuple[str, str, str]]:
    """Return table, column and type of every documented column."""
    sections = re.split(r"^### `(\w+)`$", DOCUMENT, flags=re.MULTILINE)[1:]
    return [
        (table, column, kind)
        for table, text in zip(sections[::2], sections[1::2], strict=True)
        for column, kind, meaning in ROW.findall(text)
        if meaning.strip()
    ]


def test_every_column_is_documented_with_its_type_and_nothing_else_is(paths: StorePaths) -> None:
    with read(paths) as connection:
        there = connection.execute(COLUMNS).fetchall()
    columns = documented()
    assert [row for row in there if row not in columns] == []
    assert [row for row in columns if row not in there] == []
    assert sorted(columns, key=lambda row: row[0]) == there  # in the same order


def test_views_and_tables_are_told_apart(paths: StorePaths) -> None:
    with read(paths) as connection:
        kinds = connection.execute(
            "SELECT table_name, table_type FROM information_schema.tables"
        ).fetchall()
    for name, kind in kinds:
        word = "View" if kind == "VIEW" else "Table"
        assert f"### `{name}`\n\n{word}: " in DOCUMENT


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory, fake_run: Any) -> StorePaths:
    paths = StorePaths(tmp_path_factory.mktemp("store") / "runs.duckdb")
    for algorithm in ("maml", "turtle"):
        run = fake_run(algorithm)
        run.write(paths, run.whole(algorithm=algorithm, budget="paper"))
    failed = fake_run("failed")
    failed.write(paths, [failed.started(), failed.status("failed", "no luck")])
    return paths


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs_and_finds_something(two_runs: StorePaths, example: str) -> None:
    assert not sql(two_runs, example).is_empty()
