"""Pruning: results stay as they are, whatever happens meanwhile."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlbench.errors import StoreBusyError
from mlbench.store import portions
from mlbench.store.connection import write
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.journal import attempts_of, list_journals
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.portions import Portion
from mlbench.store.records import Record
from mlbench.store.states import last_status
from mlbench.store.upkeep import pruning
from mlbench.store.upkeep.pruning import Prunable, prunable, prune, prune_journal
from mlbench.store.upkeep.rebuilding import rebuild
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import Reaper, ask, contents, fill

NOW = timedelta()
BUT = ("journals", "schema_version", "episodes", "learning_curves")
CURVES = "SELECT * FROM learning_curves WHERE phase = 'validation' ORDER BY ALL"
TESTS = "SELECT * FROM episodes WHERE phase = 'test' ORDER BY ALL"
KEPT = "SELECT * FROM episodes WHERE phase <> 'train' ORDER BY ALL"
TRAINED = "SELECT run_id, count(*) FROM episodes WHERE phase = 'train' GROUP BY 1 ORDER BY 1"


def results(paths: StorePaths) -> dict[str, list[str]]:
    """Return all that pruning leaves as it is."""
    kept = {name: list(map(str, ask(paths, text))) for name, text in (("c", CURVES), ("k", KEPT))}
    return contents(paths, BUT) | kept


def finished(paths: StorePaths, name: str) -> None:
    run = FakeRun(name)
    run.write(paths, run.whole(spec_hash=name))


@pytest.fixture
def filled(paths: StorePaths) -> StorePaths:
    finished(paths, "other")
    again = FakeRun("again")
    again.write(paths, [again.started(spec_hash="a"), again.episodes(0, 9)])
    again = again.resumed(4)
    again.write(paths, [again.started(spec_hash="a"), *again.whole(spec_hash="a")[1:]])
    return fill(paths)


def test_training_episodes_go_and_results_stay(filled: StorePaths) -> None:
    before = results(filled)
    found = prunable(filled, NOW)
    assert found.episodes == {"again": 12, "other": 8, "whole": 8}
    report = prune(filled, found)
    assert (report.runs, report.troubles) == (["again", "other", "whole"], [])
    assert report.journals > 0
    assert ask(filled, TRAINED) == [("dead", 7), ("killed", 40)]
    assert results(filled) == before
    assert [journal.path.name for journal in list_journals(filled)] == [
        "again.1.pruned.jsonl", "again.2.pruned.jsonl", "dead.1.jsonl", "killed.1.jsonl",
        "killed.2.jsonl", "killed.3.jsonl", "odd.1.jsonl", "other.1.pruned.jsonl",
        "whole.1.pruned.jsonl",
    ]  # fmt: skip
    assert prunable(filled, NOW).episodes == {}
    everything = contents(filled)
    assert rebuild(filled).kept is None
    assert contents(filled) == everything


def test_validation_episodes_go_where_they_are_named_and_validations_stay(
    filled: StorePaths,
) -> None:
    def kept() -> list[str]:
        return list(map(str, (contents(filled, BUT), ask(filled, CURVES), ask(filled, TESTS))))

    before = kept()
    report = prune(filled, prunable(filled, NOW, phases=("train", "validation")))
    assert report.runs == ["again", "other", "whole"]
    left = "SELECT DISTINCT phase FROM episodes WHERE run_id IN ('again', 'other', 'whole')"
    assert ask(filled, left) == [("test",)]
    assert kept() == before
    everything = contents(filled)
    rebuild(filled)
    assert contents(filled) == everything


def test_only_runs_that_ended_long_enough_ago_are_pruned(filled: StorePaths) -> None:
    with write(filled) as connection:
        connection.execute(
            "UPDATE statuses SET ended = now() AT TIME ZONE 'UTC' - INTERVAL 3 HOUR"
            " WHERE run_id = 'other'"
        )
        connection.execute(
            "UPDATE statuses SET ended = now() AT TIME ZONE 'UTC' - INTERVAL 50 DAY"
            " WHERE run_id = 'whole'"
        )
    assert set(prunable(filled, timedelta(days=30), ["whole", "other"]).episodes) == {"whole"}
    assert set(prunable(filled, timedelta(hours=2), ["whole", "other"]).episodes) == {
        "other",
        "whole",
    }
    assert prunable(filled, timedelta(days=30), []).episodes == {}


def test_a_run_that_is_alive_or_damaged_is_left_as_it_is(filled: StorePaths) -> None:
    found = prunable(filled, NOW)
    with filled.journal("whole", 1).open("ab") as file:
        file.write(b"{}\n")
    with RunLock(filled, "other"):
        report = prune(filled, found)
    assert report.runs == ["again"]
    assert "other is left as it is: run other is already running" in report.troubles[0]
    assert "whole is left as it is: " in report.troubles[1]
    assert "is damaged, line 11" in report.troubles[1]
    assert filled.journal("other", 1).exists()
    assert filled.journal("whole", 1).exists()


def test_a_database_that_is_in_use_is_pruned_by_the_next_command(
    filled: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(paths: StorePaths) -> None:
        raise StoreBusyError("runs.duckdb is in use", "a shell")

    found = prunable(filled, NOW)
    monkeypatch.setattr(pruning, "shrink", refuse)
    monkeypatch.setattr(pruning, "ingest", refuse)
    (trouble,) = prune(filled, found).troubles
    assert "The journals are pruned, and the database is not: runs.duckdb is in use" in trouble
    assert ingest(filled).damaged == ()
    assert ask(filled, TRAINED) == [("dead", 7), ("killed", 40)]


@pytest.mark.slow
def test_whoever_is_killed_while_pruning_loses_nothing(filled: StorePaths, reaper: Reaper) -> None:
    before = results(filled)
    step = 0
    while not reaper.survives(lambda: prune(filled, prunable(filled, NOW)), step):
        assert ingest(filled).damaged == ()
        assert results(filled) == before
        assert len(list_journals(filled)) == 9
        step += 1
    assert step >= 4
    assert ask(filled, TRAINED) == [("dead", 7), ("killed", 40)]
    assert results(filled) == before
    assert not [path for path in filled.database.parent.rglob("*") if ".new" in path.name]


def test_the_whole_journal_counts_while_both_are_there(filled: StorePaths) -> None:
    whole = filled.journal("whole", 1)
    text = whole.read_bytes()
    before = contents(filled)
    (journal,) = (each for each in list_journals(filled) if each.path == whole)
    assert prune_journal(filled, journal, ["train"]) > 0
    whole.write_bytes(text)
    assert filled.pruned_journal("whole", 1).exists()
    assert whole in [each.path for each in list_journals(filled)]
    assert ingest(filled).lines == 0
    assert contents(filled) == before
    whole.unlink()
    ingest(filled)
    assert dict(ask(filled, TRAINED)).get("whole") is None
    whole.write_bytes(text)  # somebody brings it back
    ingest(filled)
    assert contents(filled) == before
    prune(filled, prunable(filled, NOW))
    assert not whole.exists()


def test_whoever_listed_a_journal_before_it_was_pruned_finds_what_is_left(
    filled: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = results(filled)
    listed = list_journals(filled)
    feed = Feed(filled)
    feed.poll()
    prune(filled, prunable(filled, NOW))
    for journal in listed:
        first, last = journal.first(), journal.last()
        assert first is not None
        assert first.run_id == journal.run_id
        assert (last is None) == (journal.size() is None and not journal.current().path.exists())
    with monkeypatch.context() as patch:
        patch.setattr("mlbench.store.ingest.list_journals", lambda paths: listed)
        ingest(filled)
    assert ingest(filled).damaged == ()
    assert results(filled) == before
    for snapshot in (feed.poll(), Feed(filled).poll()):
        assert snapshot.damaged == ()
        assert {row.run_id: row.status for row in snapshot.runs}["whole"] == "finished"
    state = last_status(filled, "again")
    assert state is not None
    assert (state.status, state.attempts, attempts_of(filled, "again")) == ("finished", 2, 2)


def test_a_pruned_journal_is_taken_in_whole_in_one_transaction(
    filled: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = str(ask(filled, KEPT))
    found = prunable(filled, NOW)
    store = Portion.store
    seen = []

    def store_and_look(portion: Portion, connection: Any) -> int:
        episodes = store(portion, connection)
        seen.append(str(connection.execute(KEPT).fetchall()))
        return episodes

    monkeypatch.setattr(portions, "BATCH_BYTES", 1)
    monkeypatch.setattr(Portion, "store", store_and_look)
    prune(filled, found)
    assert len(seen) > 1
    assert set(seen) == {before}


@pytest.mark.slow
def test_space_is_given_back(paths: StorePaths) -> None:
    run = FakeRun()
    lines: list[Record] = [run.started()]
    lines += [run.episodes(i, i + 5000) for i in range(0, 250_000, 5000)]
    run.write(paths, [*lines, run.episodes(0, 10, "test"), run.status()])
    ingest(paths)
    size = paths.database.stat().st_size
    journals = paths.journal("r1", 1).stat().st_size
    found = prunable(paths, NOW)
    assert found.size == journals
    report = prune(paths, found)
    assert report.database == size - paths.database.stat().st_size > size / 10
    assert report.journals > 0.9 * journals
    columns = "SELECT column_name, data_type, is_nullable, column_default FROM {} ORDER BY ALL"
    anew = StorePaths(paths.database.with_name("anew.duckdb"))
    described = columns.format("information_schema.columns")
    with write(anew) as connection:
        assert ask(paths, described) == connection.execute(described).fetchall()


def test_a_line_that_is_kept_is_kept_byte_by_byte(paths: StorePaths, tmp_path: Path) -> None:
    finished(paths, "r1")
    lines = paths.journal("r1", 1).read_bytes().splitlines(keepends=True)
    ingest(paths)
    found = prunable(paths, NOW)
    assert isinstance(found, Prunable)
    prune(paths, found)
    kept = [
        line for line in lines if json.loads(line).get("phase") != "train" or b"epis" not in line
    ]
    assert paths.pruned_journal("r1", 1).read_bytes() == b"".join(kept)
