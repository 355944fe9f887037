"""Journals from the rows of a database give the same rows again."""

from __future__ import annotations

import shutil

import pytest

from mlbench.store.ingest import ingest
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.upkeep import rewriting
from mlbench.store.upkeep.merging import merge
from mlbench.store.upkeep.rescuing import rescue
from mlbench.store.upkeep.rewriting import by_dataset
from tests.store.upkeep.stores import contents, fill


@pytest.mark.parametrize(("line", "read", "together"), [(4_000, 1 << 16, 10**6), (3, 5, 20)])
def test_a_database_without_journals_becomes_the_same_database(
    paths: StorePaths,
    theirs: StorePaths,
    monkeypatch: pytest.MonkeyPatch,
    line: int,
    read: int,
    together: int,
) -> None:
    monkeypatch.setattr(rewriting, "LINE", line)
    monkeypatch.setattr(rewriting, "READ", read)
    monkeypatch.setattr(rewriting, "TOGETHER", together)
    fill(theirs)
    shutil.rmtree(theirs.folder)
    assert merge(paths, theirs.database).troubles == []
    assert ingest(paths).damaged == ()
    assert contents(paths) == contents(theirs)
    lines = [text for journal in list_journals(paths) for _, text in journal.lines(0)]
    assert (len(lines) > 40) == (line == 3)


def test_journals_that_were_lost_come_back_from_the_database(paths: StorePaths) -> None:
    fill(paths)
    before = contents(paths)
    lost = [paths.journal("killed", 2), paths.journal("dead", 1), paths.journal("odd", 1)]
    for journal in lost:
        journal.unlink()
    assert rescue(paths) == [("dead", 1), ("killed", 2), ("odd", 1)]
    assert all(journal.exists() for journal in lost)
    assert rescue(paths) == []
    assert ingest(paths).damaged == ()
    assert contents(paths) == before
    paths.database.unlink()
    ingest(paths)
    assert contents(paths) == before


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, {}),
        ("mini: 60 of 600", {"mini": "60 of 600"}),
        ("mini: a; b: c; mini-2: d", {"mini": "a; b: c", "mini-2": "d"}),
        ("mini-2: d; mini: a; mini: b", {"mini-2": "d", "mini": "a; mini: b"}),
    ],
)
def test_what_is_missing_is_told_apart_by_data_set(text: str | None, parts: dict[str, str]) -> None:
    assert by_dataset(text, ["mini", "mini-2"]) == parts
    assert "; ".join(f"{name}: {what}" for name, what in parts.items()) == (text or "")
