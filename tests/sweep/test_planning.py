"""From a grid to runs and jobs: what is known of each, and in which order they are begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlbench.errors import DataError, MisuseError
from mlbench.run.setup import Request
from mlbench.store.paths import StorePaths
from mlbench.store.records import Status
from mlbench.store.states import RunState
from mlbench.sweep import planning
from mlbench.sweep.grid import Cell, parse_grid
from mlbench.sweep.job import Job, job_of
from mlbench.sweep.planning import SweepRun, jobs_of, narrowed, sweep_runs

SINE = """
    [[grid]]
    algorithm = ["maml", "reptile"]
    train = "sine"
    seeds = "0-2"
    set = [{ train_steps = 1 }, { train_steps = 5 }]
"""


def runs_of(text: str = SINE) -> list[SweepRun]:
    return sweep_runs(parse_grid(text, "mine.toml"))


def maker(tmp_path: Path) -> Callable[[Cell, list[tuple[int, str]]], Job]:
    paths = StorePaths(tmp_path / "runs.duckdb")
    return lambda cell, pairs: job_of(cell.request, cell.label, pairs, paths, ())


def state(run: SweepRun, status: Status) -> dict[str, RunState]:
    assert run.spec_hash is not None
    found = RunState(
        run_id="r", spec_hash=run.spec_hash, status=status, attempts=1, started="", error=None
    )
    return {run.spec_hash: found}


def test_every_seed_is_a_run_with_a_hash_of_its_own() -> None:
    runs = runs_of()
    assert len(runs) == len({run.spec_hash for run in runs}) == 12


def test_a_run_that_two_tables_ask_for_is_there_once() -> None:
    assert len(runs_of(SINE + SINE.replace("[1]", "[1, 5]"))) == 12


def test_what_makes_no_sense_is_told_with_the_runs_that_ask_for_it() -> None:
    with pytest.raises(MisuseError, match=r"mine.toml: maml, sine, 5-shot, train_steps=0: .*0"):
        runs_of(SINE.replace("train_steps = 1", "train_steps = 0"))
    with pytest.raises(MisuseError, match=r"mine\.toml: mamml, sine"):
        runs_of(SINE.replace('"maml"', '"mamml"'))


def test_what_cannot_be_prepared_is_a_failure_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: Request) -> None:
        raise DataError("mini is not here; mlbench data add mini")

    monkeypatch.setattr(planning, "prepare", refuse)
    runs = runs_of()
    assert len(runs) == 12
    assert {run.standing({}) for run in runs} == {"failed"}
    assert runs[0].trouble == "mini is not here; mlbench data add mini"


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("finished", "done"),
        ("diverged", "done"),
        ("running", "running"),
        ("interrupted", "interrupted"),
        ("failed", "failed"),
    ],
)
def test_a_run_stands_as_its_journal_says(status: Status, standing: str) -> None:
    run = runs_of()[0]
    assert run.standing(state(run, status)) == standing
    assert run.standing({}) == "to do"
    assert run.standing({}, [run.spec_hash or ""]) == "queued"


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("seed < 2", 8),
        ("algorithm = 'maml' and train_steps == 5", 3),
        ("algorithm in ('reptile')", 6),
        ("ways is null and queries = 50 and train = 'sine'", 12),
        ("train_tasks = 70000", 12),
        ("shots = 1", 0),
    ],
)
def test_a_condition_narrows_the_runs(condition: str, count: int) -> None:
    assert len(narrowed(runs_of(), condition)) == count


@pytest.mark.parametrize("condition", ["shot = 1", "shots =", "shots", "", "seed < 'a'", "1; 2"])
def test_what_is_no_condition_is_told_in_one_line(condition: str) -> None:
    with pytest.raises(MisuseError, match="columns are: ") as caught:
        narrowed(runs_of(), condition)
    assert "\n" not in str(caught.value)


def test_a_setting_that_is_not_always_a_number_is_a_text() -> None:
    text = SINE.replace("reptile", "turtle").replace(
        "{ train_steps = 1 }", "{ hidden = [[4], [4, 4]] }"
    )
    runs = runs_of(text.replace('"maml", ', ""))
    assert len(narrowed(runs, "hidden = '4'")) == 3
    assert len(narrowed(runs, "train_steps = 5")) == 3


def test_seeds_that_gain_by_it_are_one_program_and_the_others_take_turns(tmp_path: Path) -> None:
    jobs = jobs_of(runs_of(), maker(tmp_path), "auto", alone=False)
    assert [(job.label.split(",")[0], job.seeds) for job in jobs] == [
        ("maml", (0, 1, 2)),
        ("reptile", (0,)),
        ("maml", (0, 1, 2)),
        ("reptile", (0,)),
        ("reptile", (1,)),
        ("reptile", (1,)),
        ("reptile", (2,)),
        ("reptile", (2,)),
    ]


def test_every_run_has_a_process_of_its_own_if_that_is_asked_for(tmp_path: Path) -> None:
    jobs = jobs_of(runs_of(), maker(tmp_path), "auto", alone=True)
    assert len(jobs) == 12
    assert {job.seeds for job in jobs[:4]} == {(0,)}
    assert len(jobs_of(runs_of(), maker(tmp_path), "loop", alone=False)) == 12
