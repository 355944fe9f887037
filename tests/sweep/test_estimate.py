"""How long runs will take follows from those that are most alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.run.setup import Experiment, Request, prepare
from mlbench.store.paths import StorePaths
from mlbench.store.records import ProvenanceRecord
from mlbench.sweep.estimate import Estimate, tasks_of, together
from tests.fake_runs import PROVENANCE, FakeRun

MAML = Request(
    algorithm="maml",
    train="sine",
    train_tasks=10,
    validation_tasks=2,
    validate_every=5,
    test_tasks=4,
)
TASKS = 10 + 3 * 2 + 4


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


def finished(
    paths: StorePaths, run_id: str, request: Request, seconds: float, **machine: Any
) -> None:
    """Leave a run behind that took some seconds in all."""
    spec: dict[str, Any] = prepare(request).spec.record()
    run = FakeRun(run_id)
    started = run.started(**spec)
    provenance = cast("ProvenanceRecord", {**PROVENANCE, **machine})
    started = replace(started, kind="regression", provenance=provenance)
    run.write(
        paths,
        [
            started,
            run.validated(0),
            run.episodes(0, 10, "train", "sine"),
            run.phase("train", seconds, "sine"),
            run.episodes(0, 4, "test", "sine"),
            run.phase("test", 0.0, "sine"),
            run.status(),
        ],
    )


def estimated(paths: StorePaths, request: Request, *, stacked: bool = False) -> float | None:
    experiment: Experiment = prepare(request)
    return Estimate(paths).seconds(experiment, stacked=stacked)


def test_nothing_is_known_of_what_was_never_run(paths: StorePaths) -> None:
    assert estimated(paths, MAML) is None
    finished(paths, "other", replace(MAML, algorithm="reptile"), 3.0)
    assert estimated(paths, MAML) is None


def test_all_tasks_of_a_run_are_counted() -> None:
    assert tasks_of(prepare(MAML)) == TASKS


def test_a_run_takes_what_runs_of_the_same_settings_took_by_its_tasks(paths: StorePaths) -> None:
    other = replace(MAML, settings={"train_steps": "1"})
    finished(paths, "slow", MAML, 20.0)
    finished(paths, "quick", other, 2.0)
    assert estimated(paths, MAML) == pytest.approx(20.0)
    assert estimated(paths, other) == pytest.approx(2.0)
    assert estimated(paths, replace(MAML, train_tasks=30)) == pytest.approx(20.0 / TASKS * 48)
    assert estimated(paths, replace(MAML, settings={"train_steps": "3"})) == pytest.approx(11.0)


def test_runs_of_one_program_are_estimated_by_such(paths: StorePaths) -> None:
    finished(paths, "alone", MAML, 20.0)
    assert estimated(paths, MAML, stacked=True) == pytest.approx(20.0)  # nothing else is known
    finished(paths, "together", MAML, 1.0, stacked=30)
    assert estimated(paths, MAML, stacked=True) == pytest.approx(1.0)
    assert estimated(paths, MAML) == pytest.approx(20.0)


@pytest.mark.parametrize(("gpu", "seconds"), [(False, 20.0), (True, 1.0), (None, 10.5)])
def test_runs_on_a_cpu_say_nothing_of_a_gpu(
    paths: StorePaths, gpu: bool | None, seconds: float
) -> None:
    finished(paths, "cpu", MAML, 20.0)
    assert Estimate(paths, gpu=True).seconds(prepare(MAML), stacked=False) is None
    finished(paths, "gpu", MAML, 1.0, device="cuda:1", gpu="H200")
    told = Estimate(paths, gpu=gpu).seconds(prepare(MAML), stacked=False)
    assert told == pytest.approx(seconds)


@given(st.lists(st.floats(0.0, 1e6), min_size=1), st.integers(1, 8))
def test_jobs_take_no_longer_than_one_by_one_and_no_less_than_shared(
    seconds: list[float], jobs: int
) -> None:
    taken = together(seconds, jobs)
    assert taken <= sum(seconds) * (1 + 1e-9)
    assert taken >= max(*seconds, sum(seconds) / jobs) * (1 - 1e-9)
