"""A run that is killed or stopped, and resumed, ends like one that never was."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from mlbench.errors import CheckpointError, PluginError, StoreError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Event
from mlbench.run.progress import Progress
from mlbench.run.setup import Request, prepare
from mlbench.session import drive
from mlbench.session.drive import Attempt
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.user_sql import sql

CPU = Execution(device="cpu", threads=1, engine="auto")
SINE = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=30,
    validation_tasks=20,
    validate_every=10,
    test_tasks=20,
    settings={"train_steps": "1", "test_steps": "1"},
)
EPISODES = """
    SELECT phase, eval_dataset, episode, step, loss, score, episode_key, position
    FROM episodes WHERE run_id = '{}' ORDER BY position
"""


class Watcher:
    """Follows a run and may act when it has met some episodes."""

    def __init__(self, after: int = -1, act: Any = None) -> None:
        self.after, self.act, self.seen = after, act, 0

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        self.seen += event.positions
        if self.act is not None and self.seen > self.after:
            act, self.act = self.act, None
            act()

    def end(self) -> None: ...


def break_down(*_: object) -> None:
    raise KeyError("gradients")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_checkpoints_and_the_run_goes_on_from_there(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    experiment = prepare(SINE)
    Attempt(experiment, CPU, paths, "whole").drive(Watcher())
    stopped = Attempt(experiment, CPU, paths, "stopped")
    ended = stopped.drive(Watcher(33, lambda: os.kill(os.getpid(), number)))
    assert ended.exit_code == code
    assert 0 < ended.progress.tasks < 30
    statuses = dict(list_runs(paths).select("run_id", "status").rows())
    assert statuses == {"whole": "finished", "stopped": "interrupted"}
    again = Watcher()
    assert stopped.drive(again).exit_code == 0
    assert again.seen < 30 + 4 * 20 + 20  # it did not begin again
    whole, resumed = (sql(paths, EPISODES.format(run)) for run in ("whole", "stopped"))
    assert whole.equals(resumed)


def test_afresh_begins_again_and_replaces_what_was_recorded(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    attempt = Attempt(prepare(SINE), CPU, paths, "run")
    attempt.drive(Watcher(33, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    again = Watcher()
    attempt.drive(again, afresh=True)
    assert again.seen == sql(paths, "SELECT count(*) + 7 AS n FROM episodes")["n"][0]
    assert sql(paths, "SELECT count(DISTINCT position) = count(*) AS u FROM episodes")["u"][0]


def test_the_same_run_started_twice_is_refused_and_named(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    attempt = Attempt(prepare(SINE), CPU, paths, "run")

    def start_again() -> None:
        Attempt(attempt.experiment, CPU, paths, "run").drive(Watcher())

    with pytest.raises(StoreError, match=rf"run run is already running as PID {os.getpid()}"):
        attempt.drive(Watcher(5, start_again))
    assert len(list_journals(paths)) == 1


def test_a_failure_is_recorded_with_its_reason_and_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    attempt = Attempt(prepare(SINE), CPU, paths, "run")
    with monkeypatch.context() as patch:
        patch.setattr(attempt.experiment.algorithm_class, "meta_step", break_down)
        with pytest.raises(PluginError, match="cannot take a meta-step: KeyError"):
            attempt.drive(Watcher())
    (row,) = list_runs(paths).iter_rows(named=True)
    assert row["status"] == "failed"
    assert "KeyError" in row["error"]
    assert "\n" not in row["error"]
    assert sql(paths, "SELECT count(*) AS n FROM episodes")["n"][0] == 20  # the first validation
    assert "KeyError" in paths.traceback("run", 1).read_text()
    assert attempt.drive(Watcher()).exit_code == 0
    assert list_runs(paths)["status"].to_list() == ["finished"]


def test_a_damaged_checkpoint_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    attempt = Attempt(prepare(SINE), CPU, paths, "run")
    attempt.drive(Watcher(33, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    before = sql(paths, EPISODES.format("run"))
    attempt.checkpoint.write_bytes(attempt.checkpoint.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"is damaged .* delete it"):
        attempt.drive(Watcher())
    assert sql(paths, EPISODES.format("run")).equals(before)


def test_a_full_disk_stops_the_run_with_what_was_acknowledged_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    attempt = Attempt(prepare(SINE), CPU, paths, "run")

    def fill(*_: object) -> None:
        raise CheckpointError("checkpoint cannot be written: No space left on device")

    monkeypatch.setattr(checkpoint, "save", fill)
    with pytest.raises(CheckpointError, match="No space left"):
        attempt.drive(Watcher())
    assert sql(paths, "SELECT count(*) AS n FROM episodes")["n"][0] == 20
    assert list_runs(paths)["status"].to_list() == ["failed"]


def test_checkpoints_come_with_validations_and_with_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[str, int]] = []
    kinds: list[str] = []
    monkeypatch.setattr(
        checkpoint,
        "save",
        lambda path, spec_hash, state: saved.append((kinds[-1], state["progress"]["position"])),
    )

    class Kinds(Watcher):
        def see(self, event: Event, progress: Progress) -> None:
            kinds.append(type(event).__name__)

    paths = StorePaths(tmp_path / "runs.duckdb")
    Attempt(prepare(SINE), CPU, paths, "rare").drive(Kinds())
    assert {kind for kind, _ in saved} == {"Validated", "PhaseEnded"}
    saved.clear()
    Attempt(prepare(SINE), CPU, paths, "often", checkpoint_seconds=0.0).drive(Kinds())
    assert {kind for kind, _ in saved} == {"Validated", "PhaseEnded", "Episodes"}
    assert drive.CHECKPOINT_SECONDS <= 30


def test_episodes_reach_the_journal_while_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "FLUSH_SECONDS", 0.0)
    paths = StorePaths(tmp_path / "runs.duckdb")
    found: list[int] = []

    def look() -> None:
        found.append(sql(paths, "SELECT count(*) AS n FROM episodes")["n"][0])

    Attempt(prepare(SINE), CPU, paths, "run").drive(Watcher(40, look))
    assert found == [30]  # the first validation and the training up to the second
