"""To diverge is a result: it is recorded, shown, and neither gone on with nor run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, PhaseEnded
from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.session import drive
from mlbench.session.drive import Attempt
from mlbench.session.launch import Launched, launch
from mlbench.session.outcome import outcome_of_store
from mlbench.session.resume import resumable, resume
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.states import last_status

CPU = Execution(device="cpu", threads=1, engine="auto")
REASON = "its meta-gradient was not finite for 50 meta-steps, at training task 3210"


class Unseen:
    """Follows a run and does nothing."""

    def begin(self, *_: object) -> None: ...
    def see(self, *_: object) -> None: ...
    def end(self) -> None: ...


class DivergingRun:
    """Stands in for a run: trains on three tasks, diverges, and tests what it is told to."""

    tested: tuple[str, ...] = ("sine",)
    refused: Sequence[str] = ()
    begun = 0

    def __init__(
        self, experiment: Experiment, execution: Execution, state: Mapping[str, Any] | None
    ) -> None:
        type(self).begun += 1
        self.spec = experiment.spec
        self.progress = Progress()

    def events(self) -> Iterator[Event]:
        for event in self.phases():
            self.progress.position += event.positions
            yield event

    def phases(self) -> Iterator[Event]:
        progress = self.progress
        ones = [1.0, 2.0, 3.0]
        progress.tasks, progress.diverged = 3, REASON
        yield Episodes("train", "sine", 0, [0, 0, 0], ones, ones, 0.5, [1, 2, 3])
        progress.seconds = {"train sine": 0.5}
        yield PhaseEnded("train", "sine", 0.5)
        for dataset in self.tested:
            yield Episodes("test", dataset, 0, [0, 0, 0], ones, ones, 0.5, [4, 5, 6])
            progress.tested[dataset] = ones, ones
            progress.seconds[f"test {dataset}"] = 0.25
            yield PhaseEnded("test", dataset, 0.25)

    def state(self) -> dict[str, Any]:
        return {"progress": vars(self.progress)}


@pytest.fixture
def experiment() -> Experiment:
    return prepare(Request(algorithm="maml", train="sine", budget="smoke"))


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> type[DivergingRun]:
    class Fresh(DivergingRun):
        """Counts for itself."""

    monkeypatch.setattr(drive, "Run", Fresh)
    return Fresh


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


def launched(
    experiment: Experiment, paths: StorePaths, told: list[str], *, again: bool = False
) -> Launched:
    (one,) = launch([experiment], CPU, paths, Unseen, told.append, again=again)
    return one


@pytest.mark.usefixtures("diverging")
def test_a_run_that_diverged_ends_as_such_with_its_reason(
    experiment: Experiment, paths: StorePaths
) -> None:
    ended = Attempt(experiment, CPU, paths, "r1").drive(Unseen())
    assert (ended.finished, ended.exit_code) == (True, 0)
    (row,) = list_runs(paths).iter_rows(named=True)
    assert (row["status"], row["error"], row["tasks_trained"]) == ("diverged", REASON, 3)
    known = last_status(paths, "r1")
    assert known is not None
    assert (known.status, known.error) == ("diverged", REASON)
    assert resumable(paths) == []


@pytest.mark.parametrize("tested", [("sine",), ()])
def test_its_result_is_shown_instead_of_run_again_and_is_what_it_was(
    experiment: Experiment,
    paths: StorePaths,
    diverging: type[DivergingRun],
    tested: tuple[str, ...],
) -> None:
    diverging.tested = tested
    told: list[str] = []
    first = launched(experiment, paths, told)
    assert (first.exit_code, told, diverging.begun) == (0, [], 1)
    assert first.outcome is not None
    assert first.outcome.diverged == REASON
    assert [(r.eval_dataset, r.score) for r in first.outcome.results] == [
        (dataset, 2.0) for dataset in tested
    ]
    second = launched(experiment, paths, told)
    assert (second, diverging.begun) == (first, 1)
    assert told == [f"{first.run_id} has this very spec and diverged; --again runs it once more."]
    told.clear()
    third = resume(paths, first.run_id, Unseen(), told.append)
    assert (third, diverging.begun) == (first, 1)
    assert told == [f"{first.run_id} diverged."]


def test_again_runs_it_once_more_under_another_name(
    experiment: Experiment, paths: StorePaths, diverging: type[DivergingRun]
) -> None:
    first = launched(experiment, paths, [])
    second = launched(experiment, paths, [], again=True)
    assert diverging.begun == 2
    assert second.run_id == f"{first.run_id}-2"


@pytest.mark.usefixtures("diverging")
def test_a_run_that_the_database_does_not_know_has_no_outcome(
    experiment: Experiment, paths: StorePaths
) -> None:
    Attempt(experiment, CPU, paths, "r1").drive(Unseen())
    assert outcome_of_store(paths, "r1") is not None
    assert outcome_of_store(paths, "r2") is None
