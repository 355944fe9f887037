"""Attempts of one run: the last that recorded a position counts, and how the run stands."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from mlbench.store import portions
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from tests.store.journals import append, contents, scenario
from tests.store.upkeep.stores import ask


def test_a_resumed_run_has_each_episode_once_from_its_last_attempt(
    paths: StorePaths, fake_run: Any
) -> None:
    for journal in scenario(fake_run):
        append(paths, *journal)
    ingest(paths)
    assert ask(
        paths,
        "SELECT attempt, min(episode), max(episode), count(*) FROM episodes"
        " WHERE run_id = 'r1' GROUP BY attempt ORDER BY attempt",
    ) == [(1, 0, 19, 20), (2, 20, 24, 5), (3, 25, 49, 25)]
    assert ask(paths, "SELECT tasks FROM validations WHERE run_id = 'r1'") == [(0,)]
    assert ask(paths, "SELECT status, attempts, tasks_trained FROM runs ORDER BY run_id") == [
        ("finished", 3, 1000),
        ("finished", 1, 1000),
    ]


def test_a_run_is_as_wide_as_its_attempts_that_count(paths: StorePaths, fake_run: Any) -> None:
    def started(run: Any, stacked: int, **more: Any) -> Any:
        record = run.started()
        return replace(record, provenance={**record.provenance, "stacked": stacked, **more})

    def widths() -> dict[str, Any]:
        ingest(paths)
        found = ask(paths, "SELECT run_id, stacked, compiled FROM runs")
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
            assert ask(paths, "SELECT tasks_trained, status FROM runs") == [(tasks, "running")]


def test_a_resumed_run_counts_its_tasks_whatever_the_portions(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "BATCH_BYTES", 1)
    run = fake_run()
    run.write(paths, [run.started(), run.episodes(0, 100)])
    again = run.resumed(40)
    again.write(paths, [again.started(), again.episodes(0, 5, "test")])
    ingest(paths)
    assert ask(paths, "SELECT tasks_trained FROM runs") == [(40,)]


def test_a_run_that_died_is_interrupted_and_one_that_lives_is_running(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    path = run.write(paths, [run.started(), run.episodes(0, 4)])
    os.utime(path, (1_000_000_000, 1_000_000_000))
    with RunLock(paths, "r1"):
        assert ingest(paths).interrupted == ()
        assert ask(paths, "SELECT status, finished FROM runs") == [("running", None)]
    assert ingest(paths).interrupted == ("r1",)
    assert ask(paths, "SELECT status, finished::VARCHAR FROM runs") == [
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
        assert ask(paths, "SELECT status FROM runs") == [("interrupted",)]
    with RunLock(paths, "r1"), Journal.reopen(paths, "r1", 1) as journal:
        word = replace(run.status("failed", "the checkpoint is damaged"), at=at, tasks_trained=0)
        journal.append([word])
    assert ingest(paths).damaged == ()
    assert ask(paths, "SELECT status, error FROM runs") == [("failed", "the checkpoint is damaged")]
    assert ask(paths, "SELECT tasks_trained FROM runs") == [(8,)]
    assert ask(paths, "SELECT count(*) FROM episodes") == [(8,)]
    assert ask(paths, "SELECT count(*) FROM validations") == [(1,)]
    assert ask(paths, "SELECT count(*) FROM phases") == [(1,)]
    again = run.resumed(run.position - 1)
    again.write(paths, [again.started(), again.episodes(8, 9), again.status()])
    ingest(paths)
    assert ask(paths, "SELECT status, attempts FROM runs") == [("finished", 2)]
    assert ask(paths, "SELECT count(*) FROM episodes") == [(9,)]


def test_a_run_killed_twice_before_its_second_start_was_written_is_interrupted(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, [run.started()])
    paths.journal("r1", 2).write_bytes(b'{"type":"star')
    assert ingest(paths).interrupted == ("r1",)
    assert ask(paths, "SELECT status, attempts FROM runs") == [("interrupted", 1)]
    assert ingest(paths).interrupted == ()
