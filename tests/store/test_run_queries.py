"""Questions on one run, with known answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from mlbench.store import run_queries
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.records import Episodes, Record, Validated
from mlbench.store.run_queries import asking
from tests.fake_runs import PROVENANCE, FakeRun
from tests.gallery import Made


def write(paths: StorePaths, records: Iterable[Record], attempt: int = 1) -> None:
    with Journal.open(paths, "r1", attempt) as journal:
        journal.append(list(records))


def test_of_a_run_that_is_not_known_all_answers_are_empty(paths: StorePaths) -> None:
    with asking(paths) as connection:
        for ask in (
            run_queries.run_curve,
            run_queries.run_hyperparameters,
            run_queries.run_data,
            run_queries.run_provenance,
            run_queries.run_packages,
            run_queries.run_plugin_files,
            run_queries.run_episode_histogram,
            run_queries.worst_episodes,
        ):
            frame = ask(connection, "nobody")
            assert frame.is_empty()
            assert frame.columns


def test_a_curve_has_training_in_windows_and_every_validation(paths: StorePaths) -> None:
    made = Made(algorithm="maml", status=None, until=0.7)
    made.write(paths)
    validations = [record for record in made.records() if isinstance(record, Validated)]
    with asking(paths) as connection:
        curve = run_queries.run_curve(connection, made.run_id)
    seen = curve.filter(phase="validation")
    known = [record for record in validations if record.tasks <= seen["tasks"].max()]  # type: ignore[operator]
    assert seen.select("tasks", "score", "best").rows() == [
        (record.tasks, record.score, record.best) for record in known
    ]
    train = curve.filter(phase="train")
    assert train["tasks"].is_sorted()
    assert train["best"].null_count() == len(train) > 0


def test_settings_begin_with_the_techniques_own(paths: StorePaths) -> None:
    write(paths, [FakeRun().started()])
    with asking(paths) as connection:
        rows = run_queries.run_hyperparameters(connection, "r1").rows()
    assert rows == [
        ("algorithm", "hidden", "[20, 20]"),
        ("algorithm", "inner_lr", "0.01"),
        ("learner", "channels", "64"),
        ("mini", "size", "84"),
        ("protocol", "replacement", "false"),
    ]


def test_data_and_what_is_missing_of_them_are_told(paths: StorePaths) -> None:
    write(paths, [FakeRun().started(incomplete={"cub": "200 of 11 788 images"})])
    with asking(paths) as connection:
        rows = run_queries.run_data(connection, "r1").rows()
    assert rows == [
        ("mini", "train", "f-mini", None),
        ("cub", "eval", "f-cub", "200 of 11 788 images"),
        ("mini", "eval", "f-mini", None),
    ]


def test_provenance_has_a_row_per_attempt_and_packages_are_the_lasts(paths: StorePaths) -> None:
    first = FakeRun().started()
    write(paths, [first])
    second = FakeRun(attempt=2).started()
    later = PROVENANCE.copy()
    later["host"] = "cirrus"
    later["packages"] = {"torch": "2.16.0"}
    later["plugin_files"] = {"b.py": "b" * 64}
    write(paths, [replace(second, provenance=later)], attempt=2)
    with asking(paths) as connection:
        provenance = run_queries.run_provenance(connection, "r1")
        packages = run_queries.run_packages(connection, "r1").rows()
        files = run_queries.run_plugin_files(connection, "r1").rows()
    assert provenance["host"].to_list() == ["nimbus", "cirrus"]
    assert provenance["command"].to_list() == ["mlbench run maml --train mini --eval cub"] * 2
    assert packages == [("torch", "2.16.0")]
    assert files == [("b.py", "b" * 64)]


def episodes_of(scores: list[float], dataset: str = "mini", position: int = 0) -> Episodes:
    n = len(scores)
    return Episodes(
        position=position,
        phase="test",
        eval_dataset=dataset,
        episode=list(range(n)),
        step=[9] * n,
        loss=[2 - score for score in scores],
        score=scores,
        seconds=[0.1] * n,
        key=[100 + i for i in range(n)],
    )


def test_bins_of_accuracies_hold_equally_many_numbers_of_right_answers(paths: StorePaths) -> None:
    run = FakeRun()
    answers = 5 * 16
    scores = [k / answers for k in range(20, 60)]
    write(
        paths,
        [run.started(), episodes_of(scores), episodes_of([0.5, 0.5, math.nan], "cub", len(scores))],
    )
    with asking(paths) as connection:
        found = run_queries.run_episode_histogram(connection, "r1", bins=20)
    mini = found.filter(eval_dataset="mini")
    assert mini["episodes"].to_list() == [2] * 20
    assert mini["bin"].to_list() == list(range(20))
    assert mini["low"][0] == pytest.approx(19.5 / answers)
    assert (mini["high"] - mini["low"]).to_list() == pytest.approx([2 / answers] * 20)
    assert found.filter(eval_dataset="cub")["episodes"].to_list() == [2]


def test_the_last_bin_of_errors_takes_the_long_tail(paths: StorePaths) -> None:
    scores = [0.01 * k for k in range(1, 100)] + [1e6]
    started = FakeRun().started(ways=None, eval_datasets=[])
    write(paths, [replace(started, kind="regression"), episodes_of(scores)])
    with asking(paths) as connection:
        found = run_queries.run_episode_histogram(connection, "r1", bins=11)
    assert found["episodes"].sum() == 100
    assert found["low"][0] == 0
    assert found["bin"].to_list() == list(range(11))
    assert found["high"].to_list()[-1] is None
    assert found["high"].null_count() == 1
    assert found["episodes"][-1] == 5  # the twentieth beyond the 95 % quantile


def test_the_worst_episodes_are_those_of_least_accuracy_and_nan_before_all(
    paths: StorePaths,
) -> None:
    scores = [0.5, 0.1, math.nan, 0.9, 0.2]
    write(
        paths,
        [FakeRun().started(), episodes_of(scores), episodes_of([0.4, 0.3], "cub", len(scores))],
    )
    with asking(paths) as connection:
        found = run_queries.worst_episodes(connection, "r1", most=3)
    assert found.select("eval_dataset", "episode", "episode_key").rows() == [
        ("mini", 2, 102),
        ("mini", 1, 101),
        ("mini", 4, 104),
        ("cub", 1, 101),
        ("cub", 0, 100),
    ]


def test_the_worst_episodes_are_those_of_most_error(paths: StorePaths) -> None:
    started = FakeRun().started(ways=None, eval_datasets=[])
    write(paths, [replace(started, kind="regression"), episodes_of([0.5, 7.0, 0.1])])
    with asking(paths) as connection:
        found = run_queries.worst_episodes(connection, "r1", most=2)
    assert found["episode"].to_list() == [1, 0]
