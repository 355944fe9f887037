"""Ingesting: every record once, and in whatever portions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.store import portions, schema
from mlbench.store.batch import Batch
from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal, list_journals
from mlbench.store.lines import PROVENANCE_TYPES, SPEC_TYPES, from_line, to_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from tests.store.journals import TABLES, append, contents, long_run, scenario
from tests.store.upkeep.stores import ask


def test_every_value_of_every_record_is_in_its_table(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(paths, run.whole(incomplete={"mini": "60 of 600 images a class"}))
    report = ingest(paths)
    assert (report.lines, report.episodes, report.damaged) == (10, 16, ())
    assert ask(
        paths,
        "SELECT phase, eval_dataset, episode, step, loss, score, seconds, episode_key, position"
        " FROM episodes ORDER BY position",
    ) == [
        (phase, dataset, i, i // 4, 1 / (1 + i), i / 1024, 0.5, 2**63 + i, position)
        for phase, dataset, i, position in [
            *(("train", "mini", i, 1 + i) for i in range(8)),
            *(("test", "mini", i, 11 + i) for i in range(4)),
            *(("test", "cub", i, 12 + i) for i in range(4, 8)),
        ]
    ]
    assert ask(paths, "SELECT step, tasks, loss, score, best FROM validations") == [
        (0, 0, 1.0, 0.2, True)
    ]
    assert ask(paths, "SELECT phase, eval_dataset, seconds FROM phases") == [
        ("train", "mini", 60.0),
        ("validation", "mini", 6.0),
        ("test", "mini", 3.0),
        ("test", "cub", 4.0),
    ]
    assert ask(paths, "SELECT part, name, value FROM hyperparameters") == [
        ("algorithm", "inner_lr", "0.01"),
        ("algorithm", "hidden", "[20, 20]"),
        ("learner", "channels", "64"),
        ("protocol", "replacement", "false"),
        ("mini", "size", "84"),
    ]
    assert ask(paths, "SELECT dataset, role, fingerprint, incomplete FROM data") == [
        ("mini", "train", "f-mini", "60 of 600 images a class"),
        ("mini", "eval", "f-mini", "60 of 600 images a class"),
        ("cub", "eval", "f-cub", None),
    ]
    assert ask(paths, "SELECT host, cpu, gpu, device, python FROM machines") == [
        ("nimbus", "Epyc", None, "cpu", "3.11.7")
    ]
    assert ask(paths, "SELECT name, version FROM packages ORDER BY ALL") == [
        ("duckdb", "1.5.6"),
        ("torch", "2.15.0"),
    ]
    assert ask(paths, "SELECT path, sha256 FROM plugin_files") == [("algorithms/maml.py", "a" * 64)]
    assert ask(paths, "SELECT status, incomplete, spec->>'queries', attempts FROM runs") == [
        ("finished", "mini: 60 of 600 images a class", "16", 1)
    ]


def test_ingesting_again_changes_nothing_and_opens_the_database_for_reading_only(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    ingest(paths)
    before = contents(paths)
    monkeypatch.setattr("mlbench.store.connection.write", None)
    assert ingest(paths).lines == 0
    assert contents(paths) == before


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_any_portions_give_the_same_database_as_all_at_once(
    data: st.DataObject, fake_run: Any
) -> None:
    journals = scenario(fake_run)
    with tempfile.TemporaryDirectory() as folder:
        whole = StorePaths(Path(folder) / "whole.duckdb")
        parts = StorePaths(Path(folder) / "parts.duckdb")
        for journal in journals:
            append(whole, *journal)
        ingest(whole)
        for run_id, attempt, text in journals:
            cut = data.draw(st.integers(0, len(text)))
            for start, stop in ((0, cut), (cut, len(text))):
                append(parts, run_id, attempt, text[start:stop])
                with RunLock(parts, run_id):  # alive: nothing is to be inferred
                    ingest(parts)
        ingest(parts)
        expected, got = contents(whole), contents(parts)
        for table in set(TABLES) - {"statuses"}:
            assert got[table] == expected[table]
        episodes = "SELECT count(*), count(DISTINCT position) FROM episodes GROUP BY run_id"
        assert sorted(ask(parts, episodes)) == [(16, 16), (50, 50)]


def test_tests_are_summed_up_anew_whenever_their_episodes_change(
    paths: StorePaths, fake_run: Any
) -> None:
    def scores() -> list[Any]:
        ingest(paths)
        return ask(
            paths,
            "SELECT eval_dataset, 1024 * score, episodes FROM test_scores ORDER BY eval_dataset",
        )

    run = fake_run()
    with Journal.open(paths, "r1", 1) as journal, RunLock(paths, "r1"):
        journal.append([run.started(), run.episodes(0, 8)])
        assert scores() == []
        journal.append([run.episodes(0, 2, "test")])
        assert scores() == [("mini", 0.5, 2)]
        journal.append([run.episodes(2, 4, "test"), run.episodes(0, 3, "test", "cub")])
        assert scores() == [("cub", 1, 3), ("mini", 1.5, 4)]
    again = run.resumed(10)  # after two test episodes
    again.write(paths, [again.started()])
    assert scores() == [("mini", 0.5, 2)]
    third = again.resumed(0)
    third.write(paths, [third.started(), third.status("failed", "no luck")])
    assert scores() == []


def test_the_database_is_rebuilt_from_the_journals(paths: StorePaths, fake_run: Any) -> None:
    for journal in scenario(fake_run):
        append(paths, *journal)
    ingest(paths)
    before = contents(paths)
    paths.database.unlink()
    ingest(paths)
    assert {k: v for k, v in contents(paths).items() if k != "statuses"} == {
        k: v for k, v in before.items() if k != "statuses"
    }


def test_a_damaged_journal_keeps_its_good_lines_and_stops_nobody_else(
    paths: StorePaths, fake_run: Any
) -> None:
    bad, good = fake_run("a"), fake_run("b")
    path = bad.write(paths, bad.whole())
    good.write(paths, good.whole())
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b'{"type": "epi\0\0\0\n', *lines[3:]]))
    report = ingest(paths)
    assert len(report.damaged) == 1
    assert "a.1.jsonl is damaged, line 4: it is not JSON; mend or delete" in report.damaged[0]
    assert ask(paths, "SELECT run_id, count(*) FROM episodes GROUP BY ALL ORDER BY ALL") == [
        ("a", 8),
        ("b", 16),
    ]
    assert ingest(paths).damaged == report.damaged
    path.write_bytes(whole)
    assert ingest(paths).damaged == ()
    assert ask(paths, "SELECT count(*) FROM episodes") == [(32,)]
    assert ask(paths, "SELECT DISTINCT status FROM runs") == [("finished",)]


def test_a_journal_that_became_shorter_is_reported(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    path = run.write(paths, run.whole())
    ingest(paths)
    path.write_bytes(path.read_bytes()[:-10])
    assert "r1.1.jsonl is damaged, after line 10: it was cut" in ingest(paths).damaged[0]
    assert ingest(paths).lines == 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lines: lines[1:], "line 1: a journal begins with 'started', once"),
        (lambda lines: [lines[0], *lines], "line 2: a journal begins with 'started', once"),
        (lambda lines: [lines[0].replace(b'"r1"', b'"r9"')], "line 1: it belongs to r9.1"),
    ],
)
def test_a_journal_that_does_not_begin_as_it_should_is_damaged(
    paths: StorePaths, fake_run: Any, spoil: Callable[[list[bytes]], list[bytes]], reason: str
) -> None:
    run = fake_run()
    path = run.write(paths, run.whole())
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    damage = ingest(paths).damaged
    assert len(damage) == 1
    assert f"r1.1.jsonl is damaged, {reason}" in damage[0]


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@settings(max_examples=60, deadline=None)
@given(
    part=st.sampled_from(["spec", "provenance"]), index=st.integers(0, 30), value=ODD, nested=ODD
)
def test_a_first_line_that_is_read_can_be_inserted_whatever_it_holds(
    part: str, index: int, value: Any, nested: Any, fake_run: Any
) -> None:
    values = json.loads(to_line(fake_run().started()))
    names = list(SPEC_TYPES if part == "spec" else PROVENANCE_TYPES)
    values[part][names[index % len(names)]] = value
    values["spec"]["hyperparameters"] = {"odd": nested}
    try:
        record = from_line(json.dumps(values).encode())
    except ValueError:
        return
    batch = Batch()
    batch.add_attempt(record, first=True)  # type: ignore[arg-type]
    with duckdb.connect() as connection:
        schema.migrate(connection)
        batch.insert(connection)


def test_portions_are_bounded(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "BATCH_BYTES", 3000)
    long_run(paths, fake_run, "r1", 500)
    with write(paths) as connection:
        known = portions.Known.of(connection)
        sizes = [part.lines for part in portions.portions(list_journals(paths), known)]
    assert len(sizes) > 3
    assert sum(sizes) == 22


def test_a_file_with_an_attempt_that_no_run_can_have_is_no_journal(
    paths: StorePaths, fake_run: Any
) -> None:
    long_run(paths, fake_run, "r1", 50)
    (paths.journals / "r1.99999999999.jsonl").write_text("anything\n")
    assert ingest(paths).damaged == ()
    assert ask(paths, "SELECT count(*) FROM episodes") == [(50,)]
