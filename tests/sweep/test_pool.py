"""Jobs done by processes of this machine: what goes wrong in one is one failed run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlbench.session import process
from mlbench.session.process import Launch
from mlbench.store.journal import Journal, journals_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.states import RunState, last_status, states_by_spec
from mlbench.sweep import pool, standing
from mlbench.sweep.job import Job
from mlbench.sweep.limits import Limits
from mlbench.sweep.pool import Active, Pool
from mlbench.sweep.tally import Tally
from tests.fake_runs import FakeRun

PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).parents[2]


class Unseen:
    """A view that keeps how many jobs it saw at a time, and may act."""

    def __init__(self, act: Any = None) -> None:
        self.most, self.act = 0, act

    def show(self, active: Sequence[Active], tally: Tally) -> None:
        self.most = max(self.most, len(active))
        if self.act is not None and self.act():
            self.act = None

    def end(self) -> None: ...


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROGRAM", (sys.executable, str(PROGRAM)))
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.05)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


def job(paths: StorePaths, behaviour: str, *seeds: int) -> Job:
    chosen = seeds or (0,)
    return Job(
        label=behaviour,
        base=(behaviour,),
        seeds=chosen,
        spec_hashes=tuple(f"{behaviour}-{seed}" for seed in chosen),
        database=str(paths.database),
    )


def done(
    paths: StorePaths,
    *jobs: Job,
    places: int = 2,
    limits: Limits | None = None,
    view: Unseen | None = None,
) -> tuple[Tally, int, list[str]]:
    tally, told = Tally(), list[str]()
    slots = [{"PLACE": str(place)} for place in range(places)]
    view = view or Unseen()
    work = Pool(paths, jobs, slots, limits or Limits(), tally, view, told.append)
    return tally, work.run(), told


def test_jobs_are_done_some_at_a_time_and_taken_in(paths: StorePaths) -> None:
    view = Unseen()
    jobs = [job(paths, "slow", seed) for seed in range(3)]
    tally, code, told = done(paths, *jobs, view=view)
    assert (tally.done, tally.failures, code, told) == (3, [], 0, [])
    assert view.most == 2
    assert list_runs(paths)["status"].to_list() == ["finished"] * 3


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("fails", "no gradient at all"),
        ("crashes", "it was killed by SIGKILL from outside"),
        ("misused", "this makes no sense; say something else"),
    ],
)
def test_what_goes_wrong_in_one_process_leaves_the_others_alone(
    paths: StorePaths, behaviour: str, reason: str
) -> None:
    tally, code, told = done(paths, job(paths, behaviour, 1), job(paths, "good"))
    assert (tally.done, code) == (1, 0)
    (failure,) = tally.failures
    assert failure.reason.startswith(reason)
    assert failure.log is not None
    assert failure.log.exists()
    assert failure.retry == f"mlbench {behaviour} --seeds 1 --db {paths.database}"
    assert told == [f"{behaviour}, seed 1 failed: {failure.reason}"]


@pytest.mark.parametrize(
    ("behaviour", "limits", "reason"),
    [
        ("hangs", Limits(seconds=1.0), "it took longer than the limit of 1s"),
        ("hangs", Limits(silence=0.8), "it hung: no progress for 0.8s"),
        ("leaks", Limits(memory=300_000_000), "it took"),
    ],
)
def test_a_process_that_takes_too_much_is_one_failed_run(
    paths: StorePaths, behaviour: str, limits: Limits, reason: str
) -> None:
    tally, _, _ = done(paths, job(paths, behaviour), limits=limits)
    (failure,) = tally.failures
    assert failure.reason.startswith(reason)
    state = last_status(paths, f"{behaviour}-0")
    assert state is not None
    assert (state.status, state.error) == ("failed", failure.reason)


def test_a_process_that_does_not_stop_when_asked_is_killed(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "GRACE", 0.3)
    tally, _, _ = done(paths, job(paths, "deaf"), limits=Limits(seconds=1.0))
    assert tally.failures[0].reason == "it took longer than the limit of 1s"


def test_of_runs_that_are_one_program_only_those_that_fail_by_themselves_failed(
    paths: StorePaths,
) -> None:
    tally, _, told = done(paths, job(paths, "culprit", 0, 1, 2))
    assert tally.done == 2
    assert [failure.label for failure in tally.failures] == ["culprit, seed 1"]
    assert "its 3 runs go on one by one" in told[0]


def test_runs_whose_program_fails_for_the_reason_of_one_are_given_up_together(
    paths: StorePaths,
) -> None:
    tally, _, _ = done(paths, job(paths, "fails", 1, 2, 3), places=1)
    assert [failure.label for failure in tally.failures] == [
        "fails, seed 1",
        "fails, seed 2",
        "fails, seed 3",
    ]
    assert len(journals_of(paths, "fails-1")) == 2
    assert len(journals_of(paths, "fails-2")) == 1  # not tried by itself


def test_a_run_that_somebody_stopped_is_no_failure(paths: StorePaths) -> None:
    tally, code, _ = done(paths, job(paths, "stopped"))
    assert (tally.stopped, tally.failures, tally.done, code) == (1, [], 0, 0)


def test_what_another_process_has_done_is_not_done_again(paths: StorePaths) -> None:
    done(paths, job(paths, "good", 0))
    tally, _, _ = done(paths, job(paths, "good", 0, 1))
    assert tally.done == 2
    assert len(journals_of(paths, "good-0")) == 1


def test_two_sweeps_at_once_do_every_run_once(paths: StorePaths) -> None:
    jobs = [job(paths, "slow", seed) for seed in range(4)]
    tallies: list[Tally] = []
    other = threading.Thread(target=lambda: tallies.append(done(paths, *jobs)[0]))
    other.start()
    tallies.append(done(paths, *jobs)[0])
    other.join()
    assert [(tally.done, tally.failures) for tally in tallies] == [(4, []), (4, [])]
    finished = list_runs(paths)
    assert finished["status"].to_list() == ["finished"] * 4
    assert [last_status(paths, f"slow-{n}").attempts for n in range(4)] == [1] * 4  # type: ignore[union-attr]


def test_a_run_that_another_process_is_about_to_begin_is_waited_for(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "spawn", lambda *_: pytest.fail("it was begun a second time"))
    with RunLock(paths, "good-0"):  # no line of its journal is written yet
        work = Pool(paths, [job(paths, "good")], [{}], Limits(), Tally(), Unseen(), print)
        work.look()
        work.look()
    assert [one.spec_hashes for one in work.elsewhere] == [("good-0",)]


def test_a_run_that_another_process_begins_just_before_ours_is_waited_for(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, ours = RunLock(paths, "good-0"), list[Launch]()

    def spawn_late(*arguments: Any) -> Launch:
        if not ours:
            lock.acquire()
        ours.append(process.spawn(*arguments))
        return ours[-1]

    def act() -> bool:
        refused = bool(ours) and ours[0].poll() is not None
        if refused:
            lock.release()
        return refused

    monkeypatch.setattr(pool, "spawn", spawn_late)
    tally, _, told = done(paths, job(paths, "good"), view=Unseen(act))
    assert (tally.done, tally.failures, told) == (1, [], [])
    assert [one.exit_code for one in ours] == [1, 0]


def test_a_run_that_ends_while_it_is_looked_at_is_not_done_again(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[dict[str, RunState]] = []

    def look(paths: StorePaths) -> dict[str, RunState]:
        if looks:
            return states_by_spec(paths)
        run = FakeRun("good-0")
        with RunLock(paths, "good-0"), Journal.open(paths, "good-0", 1) as journal:
            journal.append([run.started(spec_hash="good-0")])
            looks.append(states_by_spec(paths))
            journal.append([*run.whole()[1:-1], run.status()])
        return looks[0]

    monkeypatch.setattr(standing, "states_by_spec", look)
    monkeypatch.setattr(pool, "spawn", lambda *_: pytest.fail("it was begun a second time"))
    tally, _, _ = done(paths, job(paths, "good"))
    assert looks[0]["good-0"].status == "running"
    assert (tally.done, tally.failures) == (1, [])


def test_a_database_that_takes_nothing_in_stops_no_run_and_is_told_once(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "INGEST_SECONDS", 0.0)
    paths.database.write_text("not a database at all")
    tally, code, told = done(paths, job(paths, "slow", 0), job(paths, "slow", 1))
    assert (tally.done, code) == (2, 0)
    (line,) = told
    assert "is no DuckDB database" in line


def test_a_signal_stops_all_processes_and_says_how(paths: StorePaths) -> None:
    def act() -> bool:
        begun = last_status(paths, "hangs-0") is not None
        if begun:
            os.kill(os.getpid(), signal.SIGTERM)
        return begun

    view = Unseen(act)
    before = time.monotonic()
    tally, code, _ = done(paths, job(paths, "hangs"), view=view)
    assert (code, tally.failures) == (143, [])
    assert time.monotonic() - before < 30  # and not the minute that it hangs
    state = last_status(paths, "hangs-0")
    assert state is not None
    assert state.status == "interrupted"
