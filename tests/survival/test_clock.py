"""A clock that is set back: attempts and statuses count in the order in which they were written."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from mlbench.run.device import Execution
from mlbench.run.events import Event
from mlbench.run.progress import Progress
from mlbench.run.setup import Request, prepare
from mlbench.session import record
from mlbench.session.drive import Attempt
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run, list_runs, run_phases
from mlbench.store.snapshot import RunRow
from mlbench.store.states import last_status
from tests.survival.typed import recorded

pytestmark = pytest.mark.slow

CPU = Execution(device="cpu", threads=1, engine="auto")
REQUEST = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=20,
    validation_tasks=4,
    validate_every=10,
    test_tasks=4,
    settings={"train_steps": "1", "test_steps": "1"},
)


class Stopper:
    """Stops a run by a signal once it met some episodes."""

    def __init__(self, after: int) -> None:
        self.left = after

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        before, self.left = self.left, self.left - event.positions
        if before > 0 >= self.left:
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None: ...


@pytest.fixture
def ages(monkeypatch: pytest.MonkeyPatch) -> Callable[[StorePaths], None]:
    """Let every record be an hour older than the one before it; return what ages the files."""
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now() -> str:
        nonlocal moment
        moment -= timedelta(hours=1)
        return moment.isoformat(timespec="milliseconds")

    monkeypatch.setattr(record, "now", now)

    def age(paths: StorePaths) -> None:
        for journal in list_journals(paths):  # the later the attempt, the older its file
            then = 1_700_000_000 - 100_000 * journal.attempt
            os.utime(journal.path, (then, then))

    return age


def row(paths: StorePaths) -> RunRow:
    (found,) = Feed(paths).poll().runs
    return found


@pytest.mark.parametrize("often", [True, False])
def test_the_last_attempt_and_its_last_word_count(
    paths: StorePaths, ages: Callable[[StorePaths], None], often: bool
) -> None:
    experiment = prepare(REQUEST)
    whole = StorePaths(paths.database.with_name("whole.duckdb"))
    Attempt(experiment, CPU, whole, "run").drive(Stopper(0))
    ingest(whole)
    expected = ("interrupted", "interrupted", "finished")
    for number, (after, status) in enumerate(zip((9, 12, 0), expected, strict=True), 1):
        Attempt(experiment, CPU, paths, "run").drive(Stopper(after))
        ages(paths)
        state = last_status(paths, "run")
        assert state is not None
        assert (state.status, state.attempts) == (status, number)
        assert (row(paths).status, row(paths).attempts) == (status, number)
        if often:
            ingest(paths)
            known = find_run(paths, experiment.spec.hash)
            assert known is not None
            assert (known.status, known.attempts) == (status, number)
            assert list_runs(paths)["status"].to_list() == [status]
    found = find_run(paths, experiment.spec.hash)
    assert found is not None
    assert (found.status, found.attempts) == ("finished", 3)
    assert recorded(paths, "run") == recorded(whole, "run") != []
    assert row(paths).score == row(whole).score is not None
    assert all(seconds >= 0 for seconds in run_phases(paths, "run")["seconds"])
