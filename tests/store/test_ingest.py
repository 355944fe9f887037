"""Ingesting: every record once, whoever takes it in, in whatever portions, and whoever dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.store import portions, schema
from mlbench.store.batch import Batch
from mlbench.store.connection import read, write
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal, list_journals
from mlbench.store.lines import PROVENANCE_TYPES, SPEC_TYPES, from_line, to_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record

ROOT = Path(__file__).parents[2]
TABLES = (
    "attempts", "statuses", "episodes", "validations", "phases", "test_scores", "hyperparameters",
    "data", "machines",
)  # fmt: skip


def contents(paths: StorePaths) -> dict[str, list[Any]]:
    """Return all rows of a store, sorted; but not when something was inferred."""
    with read(paths) as connection:
        return {
            table: sorted(map(repr, connection.execute(f"FROM {table}").fetchall()))
            for table in TABLES
        }


def rows(paths: StorePaths, query: str) -> list[Any]:
    with read(paths) as connection:
        return connection.execute(query).fetchall()


def test_every_value_of_every_record_is_in_its_table(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(paths, run.whole(incomplete={"mini": "60 of 600 images a class"}))
    report = ingest(paths)
    assert (report.lines, report.episodes, report.damaged) == (10, 16, ())
    assert rows(
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
    assert rows(paths, "SELECT step, tasks, loss, score, best FROM validations") == [
        (0, 0, 1.0, 0.2, True)
    ]
    assert rows(paths, "SELECT phase, eval_dataset, seconds FROM phases") == [
        ("train", "mini", 60.0),
        ("validation", "mini", 6.0),
        ("test", "mini", 3.0),
        ("test", "cub", 4.0),
    ]
    assert rows(paths, "SELECT part, name, value FROM hyperparameters") == [
        ("algorithm", "inner_lr", "0.01"),
        ("algorithm", "hidden", "[20, 20]"),
        ("learner", "channels", "64"),
        ("protocol", "replacement", "false"),
        ("mini", "size", "84"),
    ]
    assert rows(paths, "SELECT dataset, role, fingerprint, incomplete FROM data") == [
        ("mini", "train", "f-mini", "60 of 600 images a class"),
        ("mini", "eval", "f-mini", "60 of 600 images a class"),
        ("cub", "eval", "f-cub", None),
    ]
    assert rows(paths, "SELECT host, cpu, gpu, device, python FROM machines") == [
        ("nimbus", "Epyc", None, "cpu", "3.11.7")
    ]
    assert rows(paths, "SELECT name, version FROM packages ORDER BY ALL") == [
        ("duckdb", "1.5.6"),
        ("torch", "2.15.0"),
    ]
    assert rows(paths, "SELECT path, sha256 FROM plugin_files") == [
        ("algorithms/maml.py", "a" * 64)
    ]
    assert rows(paths, "SELECT status, incomplete, spec->>'queries', attempts FROM runs") == [
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


def scenario(fake_run: Any) -> list[tuple[str, int, bytes]]:
    """Return the journals of a run that was killed and resumed twice, and of one that was not."""
    first = fake_run("r1")
    lines = [
        first.started(),
        first.validated(0),
        *(first.episodes(i, i + 5) for i in range(0, 40, 5)),
    ]
    second = first.resumed(21)  # between the episodes of a record
    again = [
        second.started(),
        *(second.episodes(i, i + 5) for i in range(20, 30, 5)),
        second.validated(30),
    ]
    third = second.resumed(26)
    last: list[Record] = [
        third.started(),
        third.episodes(25, 50),
        third.phase("train", 1.0),
        third.status(),
    ]
    other = fake_run("r2")
    return [
        (run.run_id, run.attempt, b"".join(map(to_line, records)))
        for run, records in (
            (first, lines),
            (second, again),
            (third, last),
            (other, other.whole(seed=1)),
        )
    ]


def append(paths: StorePaths, run_id: str, attempt: int, text: bytes) -> None:
    paths.make(paths.journals)
    with paths.journal(run_id, attempt).open("ab") as file:
        file.write(text)


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
        assert sorted(rows(parts, episodes)) == [(16, 16), (50, 50)]


def test_a_resumed_run_has_each_episode_once_from_its_last_attempt(
    paths: StorePaths, fake_run: Any
) -> None:
    for journal in scenario(fake_run):
        append(paths, *journal)
    ingest(paths)
    assert rows(
        paths,
        "SELECT attempt, min(episode), max(episode), count(*) FROM episodes"
        " WHERE run_id = 'r1' GROUP BY attempt ORDER BY attempt",
    ) == [(1, 0, 19, 20), (2, 20, 24, 5), (3, 25, 49, 25)]
    assert rows(paths, "SELECT tasks FROM validations WHERE run_id = 'r1'") == [(0,)]
    assert rows(paths, "SELECT status, attempts, tasks_trained FROM runs ORDER BY run_id") == [
        ("finished", 3, 1000),
        ("finished", 1, 1000),
    ]


def test_tests_are_summed_up_anew_whenever_their_episodes_change(
    paths: StorePaths, fake_run: Any
) -> None:
    def scores() -> list[Any]:
        ingest(paths)
        return rows(
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


def test_a_run_is_as_wide_as_its_attempts_that_count(paths: StorePaths, fake_run: Any) -> None:
    def started(run: Any, stacked: int, **more: Any) -> Any:
        record = run.started()
        return replace(record, provenance={**record.provenance, "stacked": stacked, **more})

    def widths() -> dict[str, Any]:
        ingest(paths)
        found = rows(paths, "SELECT run_id, stacked, compiled FROM runs")
        return {run_id: how for run_id, *how in found}

    for name, attempts in {
        "alone": [(1, 0)],
        "stacked": [(30, 0), (30, 5)],
        "mixed": [(1, 0), (30, 5)],
        "begun again": [(1, 0), (30, 0)],
        "mixed and void": [(30, 0), (1, 5), (30, 5)],
        "mixed, void later": [(30, 0), (30, 5), (1, 9), (30, 7)],
    }.items():
        for number, (width, position) in enumerate(attempts, 1):
            run = fake_run(name, number, position)
            run.write(paths, [started(run, width, compiled=number > 1), run.status("failed")])
    assert widths() == {
        "alone": [1, False],
        "stacked": [30, True],
        "mixed": [None, True],
        "begun again": [30, True],
        "mixed and void": [30, True],
        "mixed, void later": [30, True],
    }


def test_what_an_earlier_attempt_left_is_void_even_when_it_comes_late(
    paths: StorePaths, fake_run: Any
) -> None:
    first, *_ = journals = scenario(fake_run)
    head, tail = first[2][: first[2].index(b"\n") + 1], first[2][first[2].index(b"\n") + 1 :]
    append(paths, *first[:2], head)
    for journal in journals[1:]:
        append(paths, *journal)
    ingest(paths)
    append(paths, *first[:2], tail)
    ingest(paths)
    late = contents(paths)
    paths.database.unlink()
    ingest(paths)
    assert contents(paths)["episodes"] == late["episodes"]


def test_a_resumed_run_counts_the_tasks_that_were_not_superseded(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, [run.started(), run.episodes(0, 100)])
    ingest(paths)
    again = run.resumed(40)
    with Journal.open(paths, "r1", 2) as journal, RunLock(paths, "r1"):
        for records, tasks in (
            ([again.started()], 40),
            ([again.validated(40)], 40),
            ([again.episodes(0, 5, "test")], 40),
            ([again.episodes(40, 45)], 45),
        ):
            journal.append(records)
            ingest(paths)
            assert rows(paths, "SELECT tasks_trained, status FROM runs") == [(tasks, "running")]


def test_a_resumed_run_counts_its_tasks_whatever_the_portions(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "BATCH_BYTES", 1)
    run = fake_run()
    run.write(paths, [run.started(), run.episodes(0, 100)])
    again = run.resumed(40)
    again.write(paths, [again.started(), again.episodes(0, 5, "test")])
    ingest(paths)
    assert rows(paths, "SELECT tasks_trained FROM runs") == [(40,)]


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
    assert rows(paths, "SELECT run_id, count(*) FROM episodes GROUP BY ALL ORDER BY ALL") == [
        ("a", 8),
        ("b", 16),
    ]
    assert ingest(paths).damaged == report.damaged
    path.write_bytes(whole)
    assert ingest(paths).damaged == ()
    assert rows(paths, "SELECT count(*) FROM episodes") == [(32,)]
    assert rows(paths, "SELECT DISTINCT status FROM runs") == [("finished",)]


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


def test_a_run_that_died_is_interrupted_and_one_that_lives_is_running(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    path = run.write(paths, [run.started(), run.episodes(0, 4)])
    os.utime(path, (1_000_000_000, 1_000_000_000))
    with RunLock(paths, "r1"):
        assert ingest(paths).interrupted == ()
        assert rows(paths, "SELECT status, finished FROM runs") == [("running", None)]
    assert ingest(paths).interrupted == ("r1",)
    assert rows(paths, "SELECT status, finished::VARCHAR FROM runs") == [
        ("interrupted", "2001-09-09 01:46:40")
    ]
    assert ingest(paths).interrupted == ()


@pytest.mark.parametrize("before", [None, "interrupted"])
@pytest.mark.parametrize("at", ["2026-11-23T06:00:00+00:00", "2026-11-23T01:00:00+00:00"])
@pytest.mark.parametrize("separately", [True, False])
def test_the_last_word_of_an_attempt_counts_and_voids_nothing(
    paths: StorePaths, fake_run: Any, before: str | None, at: str, separately: bool
) -> None:
    run = fake_run()
    records = [run.started(), run.validated(0), run.episodes(0, 8), run.phase("train", 1.0)]
    run.write(paths, [*records, run.status(before)] if before else records)
    if separately:
        ingest(paths)
        assert rows(paths, "SELECT status FROM runs") == [("interrupted",)]
    with RunLock(paths, "r1"), Journal.reopen(paths, "r1", 1) as journal:
        word = replace(run.status("failed", "the checkpoint is damaged"), at=at, tasks_trained=0)
        journal.append([word])
    assert ingest(paths).damaged == ()
    assert rows(paths, "SELECT status, error FROM runs") == [
        ("failed", "the checkpoint is damaged")
    ]
    assert rows(paths, "SELECT tasks_trained FROM runs") == [(8,)]
    assert rows(paths, "SELECT count(*) FROM episodes") == [(8,)]
    assert rows(paths, "SELECT count(*) FROM validations") == [(1,)]
    assert rows(paths, "SELECT count(*) FROM phases") == [(1,)]
    again = run.resumed(run.position - 1)
    again.write(paths, [again.started(), again.episodes(8, 9), again.status()])
    ingest(paths)
    assert rows(paths, "SELECT status, attempts FROM runs") == [("finished", 2)]
    assert rows(paths, "SELECT count(*) FROM episodes") == [(9,)]


def test_a_run_killed_twice_before_its_second_start_was_written_is_interrupted(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, [run.started()])
    paths.journal("r1", 2).write_bytes(b'{"type":"star')
    assert ingest(paths).interrupted == ("r1",)
    assert rows(paths, "SELECT status, attempts FROM runs") == [("interrupted", 1)]
    assert ingest(paths).interrupted == ()


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


DIE = """
import os, signal, sys
from pathlib import Path
from mlbench.store import ingest as ingesting, portions
from mlbench.store.paths import StorePaths

paths, where, left = StorePaths(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
store, insert = portions.Portion.store, portions.Batch.insert

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def store_or_die(portion, connection):
    global left
    left -= 1
    if left:
        return store(portion, connection)
    if where == "within":
        store(portion, connection)
    die()

def insert_and_die(batch, connection):
    insert(batch, connection)
    die()

portions.BATCH_BYTES = 2000
if where == "after":
    ingesting.damages = die
elif where == "halfway":
    portions.Batch.insert = insert_and_die
else:
    portions.Portion.store = store_or_die
ingesting.ingest(paths)
"""


def long_run(paths: StorePaths, fake_run: Any, run_id: str, episodes: int) -> None:
    run = fake_run(run_id)
    parts: Iterable[Record] = (run.episodes(i, i + 25) for i in range(0, episodes, 25))
    run.write(paths, [run.started(), *parts, run.status()])


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("halfway", 1),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("before", 1), ("within", 1), ("within", 3), ("after", 0))
        ),
    ],
)
def test_an_ingester_killed_at_any_point_leaves_nothing_half_done(
    paths: StorePaths, fake_run: Any, where: str, count: int
) -> None:
    for run_id in ("a", "b"):
        long_run(paths, fake_run, run_id, 100)
    command = [sys.executable, "-c", DIE, str(paths.database), where, str(count)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    ingest(paths)
    assert rows(
        paths,
        "SELECT run_id, count(*), count(DISTINCT position) FROM episodes GROUP BY ALL ORDER BY ALL",
    ) == [("a", 100, 100), ("b", 100, 100)]
    assert rows(paths, "SELECT count(*) FROM statuses") == [(2,)]


LOOP = """
import sys
from pathlib import Path
from mlbench.store import ingest as ingesting, portions
from mlbench.store.paths import StorePaths
portions.BATCH_BYTES = 20_000
print("ready", flush=True)
while True:
    ingesting.ingest(StorePaths(Path(sys.argv[1])), patience=60)
"""


@pytest.mark.slow
def test_ingesters_killed_at_random_beside_a_writing_run_take_everything_in_once(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    episodes = 0
    with Journal.open(paths, "r1", 1) as journal, RunLock(paths, "r1"):
        journal.append([run.started()])
        for kill in range(20):
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", LOOP, str(paths.database)],
                    stdout=subprocess.PIPE,
                    cwd=ROOT,
                )
                for _ in range(2)
            ]
            for other in both:
                assert other.stdout is not None
                other.stdout.readline()
            for _ in range(40 + 37 * kill % 200):
                journal.append([run.episodes(episodes, episodes + 25)])
                episodes += 25
            for other in both:
                other.kill()
                other.communicate()
        journal.append([run.status()])
    ingest(paths)
    assert rows(paths, "SELECT count(*), count(DISTINCT position), max(episode) FROM episodes") == [
        (episodes, episodes, episodes - 1)
    ]
    assert rows(paths, "SELECT status FROM runs") == [("finished",)]


def test_two_processes_ingesting_at_once_take_everything_in_once(
    paths: StorePaths, fake_run: Any
) -> None:
    for number in range(6):
        long_run(paths, fake_run, f"r{number}", 500)
    code = LOOP.replace("while True:", "for _ in range(2):")
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(paths.database)], cwd=ROOT)
        for _ in range(2)
    ]
    assert [other.wait() for other in others] == [0, 0]
    assert rows(paths, "SELECT count(*), count(DISTINCT (run_id, position)) FROM episodes") == [
        (3000, 3000)
    ]


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
    assert rows(paths, "SELECT count(*) FROM episodes") == [(50,)]
