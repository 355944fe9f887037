"""Runs chosen by a condition, and what is asked of those that were."""

from __future__ import annotations

import pytest

from mlbench.errors import MisuseError
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.queries import learning_curves, meta_test_episodes, run_states, running_times
from mlbench.store.user_sql import choose_runs
from tests.fake_runs import FakeRun


@pytest.fixture
def two_runs(paths: StorePaths) -> StorePaths:
    for run_id, shots in (("r1", 1), ("r2", 5)):
        run = FakeRun(run_id)
        run.write(paths, run.whole(shots=shots))
    ingest(paths)
    return paths


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("shots = 5", ["r2"]),
        ("status = 'finished' and algorithm like 'ma%'", ["r1", "r2"]),
        ("shots > 5 or false", []),
        ("run_id in (select run_id from results where shots = 1)", ["r1"]),
        ("shots = 1 -- a comment", ["r1"]),
    ],
)
def test_runs_are_chosen_by_a_condition_in_sql(
    two_runs: StorePaths, condition: str, chosen: list[str]
) -> None:
    assert choose_runs(two_runs, condition) == chosen


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "shots =",
        "nope = 1",
        "1 = 1; drop table episodes",
        "1 = 1) union (select 1, 2",
        "'mini'",
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(two_runs: StorePaths, condition: str) -> None:
    with pytest.raises(MisuseError, match="is no condition on runs") as caught:
        choose_runs(two_runs, condition)
    assert "\n" not in str(caught.value).replace(condition, "")


def test_questions_about_chosen_runs_leave_the_others_out(two_runs: StorePaths) -> None:
    for question in (learning_curves, running_times, meta_test_episodes):
        assert set(question(two_runs, ["r2"])["run_id"]) == {"r2"}
        assert question(two_runs, []).is_empty()
    episodes = meta_test_episodes(two_runs, ["r2"])
    assert episodes["episode"].to_list() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert episodes["score"].to_list() == [i / 1024 for i in (4, 5, 6, 7, 0, 1, 2, 3)]


def test_states_have_the_last_and_the_best_validation_and_the_score(paths: StorePaths) -> None:
    run = FakeRun()
    best, last = run.validated(0, 0.75), run.validated(500, 0.5, best=False)
    tested = run.episodes(0, 4, "test")
    run.write(paths, [run.started(), best, last, tested, run.status()])
    ingest(paths)
    (state,) = run_states(paths, patience=1).to_dicts()
    assert (state["validation"], state["best"]) == (0.5, 0.75)
    assert state["score"] == 1.5 / 1024
    assert (state["host"], state["pid"], state["status"]) == ("nimbus", 4711, "finished")
