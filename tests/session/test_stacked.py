"""Seeds that run as one program leave behind what runs alone do, and go on when stopped."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mlbench.errors import PluginError, StoreError
from mlbench.run.device import Execution
from mlbench.run.events import Event, Validated
from mlbench.run.loop import Run
from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.stack import Stack
from mlbench.run.together import one_program
from mlbench.session.drive import Attempts
from mlbench.session.keeper import Keeper
from mlbench.session.launch import Launched, launch
from mlbench.session.resume import resume
from mlbench.store.journal import list_journals
from mlbench.store.lines import from_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.records import Episodes, Started
from mlbench.store.user_sql import sql

CPU = Execution(device="cpu", threads=1, engine="auto", compile="off")
SINE = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=30,
    validation_tasks=20,
    validate_every=10,
    test_tasks=20,
    precision="float64",
    settings={"train_steps": "1", "test_steps": "1"},
)
BATCHES = replace(SINE, settings={**SINE.settings, "meta_batch": "4"})
EPISODES = """
    SELECT runs.seed, phase, episode, step, episode_key, round(loss, 9) AS loss, position
    FROM episodes JOIN runs USING (run_id) ORDER BY seed, position
"""

EXACTLY = EPISODES.replace("round(loss, 9)", "loss")  # to the last bit


class Watcher:
    """Follows runs and may act when it has met some events."""

    def __init__(self, after: int = -1, act: Any = None) -> None:
        self.after, self.act, self.seen = after, act, 0

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        self.seen += 1
        if self.act is not None and self.seen > self.after:
            act, self.act = self.act, None
            act()

    def end(self) -> None: ...


def store(folder: Path) -> StorePaths:
    folder.mkdir(exist_ok=True)
    return StorePaths(folder / "runs.duckdb")


def seeds(count: int = 3, request: Request = SINE) -> list[Experiment]:
    first = prepare(request)
    return [first.with_seed(seed) for seed in range(count)]


def launched(
    paths: StorePaths,
    experiments: list[Experiment],
    execution: Execution = CPU,
    watcher: Watcher | None = None,
    told: list[str] | None = None,
) -> list[Launched]:
    lines: list[str] = [] if told is None else told
    return list(launch(experiments, execution, paths, lambda: watcher or Watcher(), lines.append))


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_positions_of_every_run_of_a_stack_go_on_without_a_gap(tmp_path: Path) -> None:
    paths = store(tmp_path)
    launched(paths, seeds())
    for journal in list_journals(paths):
        position = 0
        for _, line in journal.lines(0):
            record = from_line(line)
            assert record.position == position
            if isinstance(record, Episodes):
                position += len(record.episode)
            elif not isinstance(record, Started):
                position += 1


def test_seeds_run_as_one_program_and_leave_what_runs_alone_do(tmp_path: Path) -> None:
    together, alone = store(tmp_path / "together"), store(tmp_path / "alone")
    told: list[str] = []
    found = launched(together, seeds(), told=told)
    assert told == ["3 runs as one program (seeds 0, 1, 2); the first one is shown."]
    expected = launched(alone, seeds(), replace(CPU, engine="mixed"))
    for one, other in zip(found, expected, strict=True):
        assert one.run_id == other.run_id
        assert one.outcome is not None
        assert other.outcome is not None
        assert one.outcome.results[0].score == pytest.approx(other.outcome.results[0].score)
    assert sql(together, EPISODES).equals(sql(alone, EPISODES))
    width = "SELECT DISTINCT stacked FROM runs"
    assert sql(together, width)["stacked"].to_list() == [3]
    assert sql(alone, width)["stacked"].to_list() == [1]


def test_a_run_with_meta_batches_is_one_program_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_program(SINE, CPU)
    assert is_program(BATCHES, CPU)
    assert not is_program(BATCHES, replace(CPU, engine="mixed"))
    assert not is_program(BATCHES, replace(CPU, device="cuda"))
    assert not is_program(replace(BATCHES, algorithm="reptile"), CPU)
    monkeypatch.setattr("mlbench.run.programs.TRACED_AFTER", 2)
    program, plain = store(tmp_path / "program"), store(tmp_path / "plain")
    launched(program, seeds(1, BATCHES))
    launched(plain, seeds(1, BATCHES), replace(CPU, engine="mixed"))
    assert sql(program, EPISODES).equals(sql(plain, EPISODES))
    assert sql(program, "SELECT stacked FROM runs")["stacked"].to_list() == [1]


def is_program(request: Request, execution: Execution) -> bool:
    return one_program(prepare(request), execution, stacked=1, compiled=False)


def test_a_signal_saves_all_of_them_and_the_same_command_goes_on(tmp_path: Path) -> None:
    paths, whole = store(tmp_path / "stopped"), store(tmp_path / "whole")
    launched(whole, seeds())
    stopped = launched(paths, seeds(), watcher=Watcher(3, stop))
    assert {one.exit_code for one in stopped} == {143}
    assert {one.outcome for one in stopped} == {None}
    assert list_runs(paths)["status"].to_list() == ["interrupted"] * 3
    again = Watcher()
    finished = launched(paths, seeds(), watcher=again)
    assert again.seen > 0
    assert [one.exit_code for one in finished] == [0, 0, 0]
    assert sql(paths, EXACTLY).equals(sql(whole, EXACTLY))


def test_a_signal_while_lines_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, whole = store(tmp_path / "stopped"), store(tmp_path / "whole")
    launched(whole, seeds())
    asked = 0
    pressing: Any = vars(Keeper)["pressing"]

    def stop_at_the_seventh(self: Keeper) -> bool:
        nonlocal asked
        asked += 1
        if asked == 7:
            stop()
        return bool(pressing.fget(self))

    monkeypatch.setattr(Keeper, "pressing", property(stop_at_the_seventh))
    assert {one.exit_code for one in launched(paths, seeds())} == {143}
    launched(paths, seeds())
    assert sql(paths, EXACTLY).equals(sql(whole, EXACTLY))


@pytest.mark.slow
def test_a_run_with_meta_batches_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.run.programs.TRACED_AFTER", 2)
    paths, whole = store(tmp_path / "stopped"), store(tmp_path / "whole")
    launched(whole, seeds(1, BATCHES))
    (stopped,) = launched(paths, seeds(1, BATCHES), watcher=Watcher(3, stop))
    assert stopped.exit_code == 143
    monkeypatch.delattr("mlbench.session.drive.Run")  # not to be called
    resume(paths, stopped.run_id, Watcher(), print)
    assert sql(paths, EXACTLY).equals(sql(whole, EXACTLY))


def test_the_next_run_is_shown_when_the_first_has_diverged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.run.course.PATIENCE", 3)
    experiments = seeds()
    first = Run(experiments[0], CPU).meta["theta"][0].item()
    cls = experiments[0].algorithm_class
    plain = cls.meta_step

    def fails_from_there(self: Any, meta: Any, tasks: Any) -> Any:
        taught = plain(self, meta, tasks)
        spoilt = torch.where(meta["theta"][0] == first, torch.nan, taught.gradients["theta"])
        return taught._replace(gradients={"theta": spoilt})

    monkeypatch.setattr(cls, "meta_step", fails_from_there)
    watcher = Shown()
    launched(store(tmp_path), experiments, watcher=watcher)
    assert watcher.seeds == [0, 1]
    assert watcher.validations == [1, 3]


class Shown(Watcher):
    """Remembers which seeds it was shown, and how many validations of each."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[int] = []
        self.validations: list[int] = []

    def begin(self, *told: object) -> None:
        assert isinstance(told[0], Experiment)
        self.seeds.append(told[0].spec.seed)
        self.validations.append(0)

    def see(self, event: Event, progress: Progress) -> None:
        self.validations[-1] += isinstance(event, Validated)


@pytest.mark.slow
def test_one_of_them_can_go_on_alone(tmp_path: Path) -> None:
    paths = store(tmp_path)
    stopped = launched(paths, seeds(), watcher=Watcher(3, stop))
    told: list[str] = []
    one = resume(paths, stopped[1].run_id, Watcher(), told.append)
    assert one.outcome is not None
    (line,) = told
    assert "was one of 3 runs of one program, and goes on alone" in line
    told.clear()
    found = launched(paths, seeds(), told=told)
    assert sorted(each.run_id for each in found) == sorted(each.run_id for each in stopped)
    assert "2 runs as one program (seeds 0, 2); the first one is shown." in told
    widths = "SELECT seed, stacked FROM runs ORDER BY seed"
    assert sql(paths, widths).rows() == [(0, None), (1, None), (2, None)]  # of attempts that differ


def test_a_failure_is_written_down_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = store(tmp_path)
    experiments = seeds()

    def break_down(*_: object) -> None:
        raise KeyError("gradients")

    with monkeypatch.context() as patch:
        patch.setattr(experiments[0].algorithm_class, "meta_step", break_down)
        with pytest.raises(PluginError, match=r"cannot take a meta-step .*: KeyError") as failure:
            launched(paths, experiments)
    (note,) = failure.value.__notes__
    assert note.startswith("traceback in ")
    rows = list_runs(paths)
    assert rows["status"].to_list() == ["failed"] * 3
    assert all("KeyError" in error for error in rows["error"])
    assert sql(paths, "SELECT count(*) AS n FROM episodes")["n"][0] == 3 * 20
    assert all(one.outcome is not None for one in launched(paths, experiments))


def test_what_is_launched_operation_by_operation_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "refused", ["it waits for the device"])
    told: list[str] = []
    launched(store(tmp_path), seeds(2), told=told)
    assert told[1:] == ["Launched operation by operation, and so slower: it waits for the device."]


def test_none_of_them_begins_while_another_process_has_one(tmp_path: Path) -> None:
    paths = store(tmp_path)
    attempts = Attempts(seeds(), CPU, paths, ["a", "b", "c"])
    with RunLock(paths, "b"), pytest.raises(StoreError, match="run b is already running"):
        attempts.drive(Watcher(), print)
    assert list_journals(paths) == []


def test_checkpoints_come_with_time(tmp_path: Path) -> None:
    paths = store(tmp_path)
    names = ["a", "b", "c"]
    Attempts(seeds(), CPU, paths, names).drive(Watcher(), print)
    assert not any(paths.checkpoint(name).exists() for name in names)
    Attempts(seeds(), CPU, paths, ["d", "e", "f"], checkpoint_seconds=0.0).drive(Watcher(), print)
    assert all(paths.checkpoint(name).exists() for name in ("d", "e", "f"))


def test_what_cannot_be_stacked_runs_one_after_another_and_says_so(tmp_path: Path) -> None:
    paths = store(tmp_path)
    told: list[str] = []
    found = launched(paths, seeds(2, replace(SINE, algorithm="reptile")), told=told)
    assert told == [
        "The runs are computed one after another: the optimiser of reptile is no plain Adam."
    ]
    assert len(found) == 2
    assert sql(paths, "SELECT DISTINCT stacked FROM runs")["stacked"].to_list() == [1]
