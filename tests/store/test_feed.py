"""The feed: what the dashboard knows of runs while they go on, whoever holds the database."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlbench.store.feed import PROBE_SECONDS, Feed
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import run_states
from mlbench.store.records import Record
from mlbench.store.snapshot import RunRow, Snapshot
from tests.fake_runs import FakeRun
from tests.gallery import fill, images, odd_ones

HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(database: Path) -> Iterator[int]:
    """Let another process hold a database; yield its PID."""
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other.pid
        other.communicate()


def row(snapshot: Snapshot, run_id: str = "r1") -> RunRow:
    return next(run for run in snapshot.runs if run.run_id == run_id)


def told(snapshot: Snapshot) -> dict[str, tuple[object, ...]]:
    """Return what a snapshot says of each run, whatever it was learnt from."""
    return {
        run.run_id: (
            run.algorithm,
            run.status,
            run.error,
            run.validation,
            run.best,
            None if run.score is None else round(run.score, 12),
            run.done == 1,
        )
        for run in snapshot.runs
    }


def test_a_store_that_is_not_there_yet_has_no_runs(paths: StorePaths) -> None:
    snapshot = Feed(paths).poll()
    assert snapshot == Snapshot()
    assert not list(paths.database.parent.iterdir()), "looking at a store writes nothing"


def test_a_run_is_followed_line_by_line(paths: StorePaths) -> None:
    feed, run = Feed(paths), FakeRun()
    start = run.started(train_tasks=100, validate_every=50, validation_tasks=10, test_tasks=20)
    with RunLock(paths, "r1"), Journal.open(paths, "r1", 1) as journal:
        journal.append([start])
        fresh = row(feed.poll())
        assert (fresh.status, fresh.phase, fresh.done, fresh.seconds_left) == (
            "running",
            None,
            0,
            None,
        )
        journal.append([run.episodes(0, 10, "validation"), run.validated(0, 0.25)])
        journal.append([run.episodes(0, 25)])
        halfway = row(feed.poll())
        assert (halfway.phase, halfway.phase_done, halfway.phase_tasks) == ("train", 25, 100)
        assert (halfway.validation, halfway.best, halfway.tasks_trained) == (0.25, 0.25, 25)
        # 3 validations of 10, 100 to train, 2 tests of 20: 10 + 25 of 170 are done
        assert halfway.done == pytest.approx(35 / 170)
        assert halfway.tasks_per_second == pytest.approx(2)
        assert halfway.seconds_left == pytest.approx(0.5 * 135)
        journal.append([run.episodes(25, 50), run.validated(50, 0.125, best=False)])
        later = row(feed.poll())
        assert (later.validation, later.best) == (0.125, 0.25)


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(paths: StorePaths) -> None:
    feed, run = Feed(paths), FakeRun()
    path = run.write(paths, [run.started(), run.validated(0, 0.25)])
    size = path.stat().st_size
    run_two = FakeRun("r2")
    other = run_two.write(paths, [run_two.started(), run_two.validated(0, 0.5)])
    line = other.read_bytes().splitlines(keepends=True)[1]
    with path.open("ab") as file:
        file.write(line[:30])
        file.flush()
        assert row(feed.poll()).validation == 0.25
        assert feed.offsets[path] == size
        file.write(line[30:])
    assert row(feed.poll()).validation == 0.5


def test_the_database_and_the_journals_tell_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.store.feed.BUDGET_SECONDS", 60.0)
    runs = [*images(1, shots=(1,)), *odd_ones()]
    taken_in, waiting = StorePaths(tmp_path / "a.duckdb"), StorePaths(tmp_path / "b.duckdb")
    for paths in (taken_in, waiting):
        fill(paths, runs, take_in=False)
    ingest(taken_in)
    for paths in (taken_in, waiting):
        assert len(Feed(paths).poll().runs) == len(runs)
    assert told(Feed(taken_in).poll()) == told(Feed(waiting).poll())


def test_the_process_that_holds_the_database_is_named_and_the_journals_go_on(
    paths: StorePaths,
) -> None:
    run = FakeRun()
    run.write(paths, run.whole())
    ingest(paths)
    feed = Feed(paths)
    with held(paths.database) as pid:
        other = FakeRun("r2")
        other.write(paths, [other.started(), other.validated(0, 0.5)])
        snapshot = feed.poll()
        assert snapshot.held is not None
        assert f"PID {pid}" in snapshot.held
        assert (row(snapshot).status, row(snapshot, "r2").validation) == ("finished", 0.5)
        stamp = snapshot.stamp
    snapshot = feed.poll()
    assert snapshot.held is None
    assert snapshot.stamp > stamp, "what waited for the database can be asked for"


def test_a_held_database_never_makes_a_reader_of_journals_wait(paths: StorePaths) -> None:
    run = FakeRun()
    run.write(paths, run.whole())
    ingest(paths)
    with held(paths.database), pytest.raises(Exception, match="in use by"):
        run_states(paths, patience=0)


def test_a_resumed_run_goes_on_from_where_it_was_resumed(paths: StorePaths) -> None:
    feed, run = Feed(paths), FakeRun()
    records: list[Record] = [run.started(test_tasks=8), run.validated(0, 0.25)]
    records.append(run.episodes(0, 40))
    place = run.position
    run.write(paths, [*records, run.episodes(0, 4, "test")])
    assert row(feed.poll()).status == "interrupted"
    again = run.resumed(place)
    start = again.started(test_tasks=8)
    again.write(paths, [start, again.episodes(0, 8, "test"), again.status()])
    snapshot = feed.poll()
    assert (row(snapshot).status, row(snapshot).attempts) == ("finished", 2)
    assert row(snapshot).score == pytest.approx(sum(range(8)) / 8 / 1024), "each episode once"
    assert row(snapshot).best == 0.25


def test_a_run_that_begins_again_forgets_its_first_attempt(paths: StorePaths) -> None:
    feed, run = Feed(paths), FakeRun()
    run.write(paths, [run.started(), run.validated(500, 0.75)])
    assert row(feed.poll()).tasks_trained == 500
    again = run.resumed(0)
    again.write(paths, [again.started()])
    assert (row(feed.poll()).tasks_trained, row(feed.poll()).best) == (0, None)


def test_only_the_end_of_a_long_journal_is_read(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.store.feed.TAIL", 2_000)
    run = FakeRun()
    stretches = [run.episodes(10 * i, 10 * i + 10) for i in range(60)]
    path = run.write(paths, [run.started(), *stretches, run.validated(600, 0.5)])
    assert path.stat().st_size > 4_000
    feed = Feed(paths)
    first = row(feed.poll())
    assert (first.tasks_trained, first.validation, first.phase_done) == (600, 0.5, 600)
    assert feed.offsets[path] == path.stat().st_size
    assert not feed.damages


def test_a_damaged_journal_is_told_and_stops_nothing(paths: StorePaths) -> None:
    run, other = FakeRun(), FakeRun("r2")
    path = run.write(paths, [run.started(), run.validated(0, 0.25)])
    with path.open("ab") as file:
        file.write(b"no json\n")
    other.write(paths, other.whole())
    (paths.journals / "r3.1.jsonl").write_text("{}\n")
    snapshot = Feed(paths).poll()
    assert (row(snapshot).validation, row(snapshot, "r2").status) == (0.25, "finished")
    assert [line.split(" is damaged")[0] for line in snapshot.damaged] == [
        str(path),
        str(paths.journals / "r3.1.jsonl"),
    ]


def test_the_stamp_grows_when_a_run_ends_and_not_before(paths: StorePaths) -> None:
    feed, run = Feed(paths), FakeRun()
    with Journal.open(paths, "r1", 1) as journal:
        journal.append([run.started(), run.episodes(0, 10)])
        before = feed.poll().stamp
        journal.append([run.episodes(10, 20)])
        assert feed.poll().stamp == before
        journal.append([run.status("diverged", "no finite gradient")])
    assert feed.poll().stamp == before + 1


def test_training_that_ended_early_counts_as_done(paths: StorePaths) -> None:
    run = FakeRun()
    start = run.started(test_tasks=20, eval_datasets=[])
    with RunLock(paths, "r1"):
        run.write(paths, [start, run.validated(0, 0.25), run.episodes(0, 10, "test")])
        tested = row(Feed(paths).poll())
    assert tested.done == pytest.approx((1000 + 3 * 10 + 10) / (1000 + 3 * 10 + 20))
    assert tested.seconds_left == pytest.approx(5)


def test_a_query_on_another_thread_is_not_told_as_another_process(paths: StorePaths) -> None:
    run = FakeRun()
    run.write(paths, run.whole())
    ingest(paths)
    with paths.lock.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        assert Feed(paths).poll().held is None


def test_a_journal_that_cannot_be_read_is_told_and_one_that_has_gone_is_not(
    paths: StorePaths,
) -> None:
    run = FakeRun()
    run.write(paths, run.whole())
    (paths.journals / "r2.1.jsonl").symlink_to("nowhere")
    unreadable = paths.journals / "r3.1.jsonl"
    unreadable.mkdir()
    feed = Feed(paths)
    snapshot = feed.poll()
    assert row(snapshot).status == "finished"
    assert snapshot.damaged == (f"{unreadable} cannot be read: Is a directory",)
    unreadable.rmdir()
    other = FakeRun("r3")
    other.write(paths, other.whole())
    assert feed.poll().damaged == ()


def test_what_was_asked_while_a_query_of_our_own_went_on_is_asked_again(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.store.feed.TAIL", 200)
    feed, run = Feed(paths), FakeRun()
    feed.poll()
    run.write(paths, run.whole())
    assert row(feed.poll()).score is None  # of its journal just the end was read
    ingest(paths)
    with paths.lock.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        feed.probed = -PROBE_SECONDS
        assert row(feed.poll()).score is None
    feed.probed = -PROBE_SECONDS
    assert row(feed.poll()).score is not None
