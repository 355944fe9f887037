"""Questions with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlbench.errors import MisuseError, StoreError
from mlbench.store import connection as database
from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import (
    find_run,
    hyperparameters,
    list_runs,
    results,
    run_end,
    run_phases,
    run_results,
    running_times,
    study,
)
from mlbench.store.states import RunState, find_in_journals
from mlbench.store.user_sql import sql


def test_a_run_of_an_empty_store_is_not_found_and_lists_have_their_columns(
    paths: StorePaths,
) -> None:
    assert find_run(paths, "5bec") is None
    assert list_runs(paths).is_empty()
    assert {"run_id", "status", "tasks_trained", "error"} <= set(list_runs(paths).columns)
    assert {"score", "incomplete", "settings_hash"} <= set(results(paths).columns)
    assert not paths.database.exists()


def test_results_are_means_over_test_episodes_of_finished_runs_alone(
    paths: StorePaths, fake_run: Any
) -> None:
    done = fake_run("done")
    done.write(paths, done.whole(incomplete={"cub": "100 of 200 classes"}))
    for status in ("failed", "interrupted"):
        other = fake_run(status)
        other.write(paths, [*other.whole()[:-1], other.status(status)])
    alive = fake_run("alive")
    alive.write(paths, alive.whole()[:-1])
    with RunLock(paths, "alive"):
        frame = results(paths)
    columns = ("run_id", "eval_dataset", "score", "score_sd", "loss", "episodes", "incomplete")
    sd = pytest.approx(math.sqrt(5 / 3) / 1024)  # of 0 to 3 and of 4 to 7
    assert frame.select(columns).rows() == [
        (
            "done",
            "cub",
            5.5 / 1024,
            sd,
            pytest.approx(sum(1 / i for i in range(5, 9)) / 4),
            4,
            "cub: 100 of 200 classes",
        ),
        (
            "done",
            "mini",
            1.5 / 1024,
            sd,
            pytest.approx(sum(1 / i for i in range(1, 5)) / 4),
            4,
            None,
        ),
    ]
    own = run_results(paths, "done")
    assert own["eval_dataset"].to_list() == ["mini", "cub"]
    assert own["half_width"].to_list() == pytest.approx([0.98 * math.sqrt(5 / 3) / 1024] * 2)
    assert run_results(paths, "failed").is_empty()


def test_results_and_running_times_look_at_no_episode(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    before = study(paths).results, running_times(paths, ["r1"])
    with write(paths) as connection:
        connection.execute("DELETE FROM episodes")
    after = study(paths).results, running_times(paths, ["r1"])
    assert len(before[0]) == 2
    assert [frame.rows() for frame in after] == [frame.rows() for frame in before]


def test_a_study_is_of_one_moment_and_opens_the_database_once(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run()
    run.write(paths, run.whole())
    whole = study(paths)  # takes in what waits
    assert whole.runs.equals(list_runs(paths))
    assert whole.results.equals(results(paths))
    assert whole.hyperparameters.equals(hyperparameters(paths))
    opened = []
    connect = database.connect

    def counted(path: Path, *, read_only: bool) -> Any:
        opened.append(path)
        return connect(path, read_only=read_only)

    monkeypatch.setattr(database, "connect", counted)
    study(paths)
    assert opened == [paths.database]


def test_a_run_that_diverged_is_among_the_results_with_what_it_was_tested_with(
    paths: StorePaths, fake_run: Any
) -> None:
    done, tested, untested = (fake_run(name) for name in ("done", "tested", "untested"))
    done.write(paths, done.whole())
    tested.write(paths, [*tested.whole()[:-1], tested.status("diverged", "at step 7")])
    untested.write(
        paths,
        [
            untested.started(seed=1, incomplete={"cub": "100 of 200 classes"}),
            untested.phase("train", 60.0),
            untested.status("diverged", "at step 3"),
        ],
    )
    columns = ("run_id", "eval_dataset", "status", "score", "episodes", "nan_episodes")
    assert results(paths).select(columns).sort("run_id", "eval_dataset").rows() == [
        ("done", "cub", "finished", 5.5 / 1024, 4, 0),
        ("done", "mini", "finished", 1.5 / 1024, 4, 0),
        ("tested", "cub", "diverged", 5.5 / 1024, 4, 0),
        ("tested", "mini", "diverged", 1.5 / 1024, 4, 0),
        ("untested", "cub", "diverged", None, 0, 0),
        ("untested", "mini", "diverged", None, 0, 0),
    ]
    unscored = results(paths).filter(pl.col("run_id") == "untested", eval_dataset="cub")
    shared = ("eval_fingerprint", "train_fingerprint", "incomplete")
    assert unscored.select(shared).rows() == [("f-cub", "f-mini", "cub: 100 of 200 classes")]
    assert len(run_results(paths, "tested")) == 2
    assert run_results(paths, "untested").is_empty()
    assert run_end(paths, "untested") == ("diverged", "at step 3")
    assert run_end(paths, "done") == ("finished", None)
    assert run_end(paths, "nobody") is None
    times = sql(paths, "SELECT run_id, status, seconds, score FROM running_times ORDER BY run_id")
    assert times.rows() == [
        ("done", "finished", 73.0, 1.5 / 1024),
        ("tested", "diverged", 73.0, 1.5 / 1024),
        ("untested", "diverged", 60.0, None),
    ]


def test_results_name_the_statistic_of_their_protocol_which_is_the_median_of_old(
    paths: StorePaths, fake_run: Any
) -> None:
    for run_id, settings in (("old", {"replacement": True}), ("new", {"statistic": "trimmed"})):
        run = fake_run(run_id)
        run.write(paths, run.whole(protocol_settings=settings))
    found = set(results(paths).select("run_id", "statistic").rows())
    assert found == {("old", "median"), ("new", "trimmed")}
    stored = hyperparameters(paths).filter(pl.col("part") == "protocol")
    assert stored.rows() == [
        ("new", "protocol", "statistic", '"trimmed"'),
        ("old", "protocol", "replacement", "true"),
    ]


def test_a_median_over_episodes_is_not_finite_if_one_of_them_is_not(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    episodes = replace(run.episodes(0, 3, "test"), score=[0.1, math.nan, 0.3])
    run.write(paths, [run.started(), episodes, run.status()])
    assert math.isnan(results(paths)["score_median"][0])


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e200])
def test_scores_that_are_not_finite_or_overflow_stay_visible_and_break_nothing(
    paths: StorePaths, fake_run: Any, odd: float
) -> None:
    run = fake_run()
    records = [run.started(), run.episodes(0, 3, "test"), run.status()]
    records[1] = replace(records[1], score=[0.5, odd, 0.5])
    run.write(paths, records)
    row = results(paths).row(0, named=True)
    assert row["score_sd"] is None
    assert row["nan_episodes"] == (0 if math.isfinite(odd) else 1)
    assert math.isnan(row["score"]) == math.isnan(odd)
    assert math.isfinite(row["score"]) == math.isfinite(odd)


def test_one_episode_has_no_interval(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(paths, [run.started(), run.episodes(0, 1, "test"), run.status()])
    assert run_results(paths, "r1")["half_width"].to_list() == [None]


@pytest.mark.parametrize("find", [find_run, find_in_journals])
def test_of_a_specs_runs_the_latest_result_is_found_or_else_the_latest(
    paths: StorePaths, fake_run: Any, find: Callable[[StorePaths, str], RunState | None]
) -> None:
    def write(run_id: str, hour: int, status: str | None) -> None:
        run = fake_run(run_id)
        started = replace(run.started(), at=f"2026-11-23T0{hour}:00:00Z")
        ends = [run.status(status, "no luck" if status == "failed" else None)] if status else []
        run.write(paths, [started, *ends])

    write("k", 2, "interrupted")
    write("a", 3, "failed")
    found = find(paths, "5bec")
    assert found is not None
    assert (found.run_id, found.status, found.error, found.attempts) == (
        "a",
        "failed",
        "no luck",
        1,
    )
    assert found.started.startswith("2026-11-23T03:00:00")
    write("d", 1, "diverged")
    found = find(paths, "5bec")
    assert found is not None
    assert (found.run_id, found.status) == ("d", "diverged")  # a result, if an earlier one
    write("z", 5, "finished")
    write("m", 6, "finished")
    write("b", 7, "interrupted")
    write("c", 8, None)
    with RunLock(paths, "c"):
        found = find(paths, "5bec")
    assert found is not None
    assert (found.run_id, found.status) == ("m", "finished")
    assert find(paths, "other") is None


def test_phases_are_timed_once_the_last_word_counting(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(
        paths,
        [run.started(), run.phase("train", 5), run.phase("test", 1), run.phase("train", 9.0)],
    )
    assert run_phases(paths, "r1").rows() == [("train", "mini", 9.0), ("test", "mini", 1.0)]


def test_running_times_sum_phases_and_learning_curves_average_windows(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    run.write(paths, run.whole(train_tasks=800))  # windows of 4 tasks
    times = sql(paths, "SELECT train_seconds, validation_seconds, test_seconds, seconds, score"
                " FROM running_times")  # fmt: skip
    assert times.rows() == [(60.0, 6.0, 7.0, 73.0, 1.5 / 1024)]
    curve = sql(paths, "SELECT phase, step, tasks, score, best FROM learning_curves ORDER BY ALL")
    assert curve.rows() == [
        ("train", 0, 4, 1.5 / 1024, None),
        ("train", 1, 8, 5.5 / 1024, None),
        ("validation", 0, 0, 0.2, True),
    ]


def test_runs_that_differ_in_seed_or_data_alone_share_their_settings_hash(
    paths: StorePaths, fake_run: Any
) -> None:
    specs: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"seed": 3},
        "c": {"eval_datasets": [], "fingerprints": {"mini": "other"}},
        "d": {"hyperparameters": {"inner_lr": 0.02}},
        "e": {"queries": 15},
        "f": {"precision": "bfloat16"},
    }
    for run_id, spec in specs.items():
        run = fake_run(run_id)
        run.write(paths, [run.started(**spec)])
    hashes = list_runs(paths).sort("run_id")["settings_hash"].to_list()
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes)) == 4
    values = hyperparameters(paths).filter(pl.col("run_id") == "d")
    assert values.rows()[0] == ("d", "algorithm", "inner_lr", "0.02")


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory, fake_run: Any) -> StorePaths:
    paths = StorePaths(tmp_path_factory.mktemp("store") / "runs.duckdb")
    run = fake_run()
    run.write(paths, run.whole())
    ingest(paths)
    return paths


def test_any_query_is_answered(one_run: StorePaths) -> None:
    frame = sql(
        one_run,
        "select eval_dataset, median(score) from episodes where phase = 'test' group by all"
        " order by all; -- a comment",
    )
    assert frame.rows() == [("cub", 5.5 / 1024), ("mini", 1.5 / 1024)]
    assert sql(one_run, "with a as (from runs) select count(*) from a").rows() == [(1,)]
    assert "episodes" in sql(one_run, "show tables")["name"]
    assert sql(one_run, "select 1 as a, 2 as a").rows() == [(1, 2)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select nope from runs", 'Referenced column "nope" not found'),
        ("from nowhere", "Table with name nowhere does not exist"),
        ("", "there are 0 statements"),
        ("-- nothing", "there are 0 statements"),
        ("select 1; select 2", "there are 2 statements"),
        ("select interval 1 day", "cast it to text"),
        ("delete from runs", "DELETE is no query"),
        ("explain analyze delete from episodes", "EXPLAIN is no query"),
        ("set threads = 1", "SET is no query"),
        ("attach '{folder}/other.duckdb'", "ATTACH is no query"),
        ("copy episodes to '{folder}/x.csv'", "COPY is no query"),
        ("copy (select 1) to '{database}.wal'", "COPY is no query"),
        ("copy (select 1) to '{database}' (format csv, use_tmp_file false)", "COPY is no query"),
        ("install httpfs", "LOAD is no query"),
        ("load httpfs", "LOAD is no query"),
        ("select * from read_text('{folder}/secret.txt')", "Permission Error"),
        ("from '{folder}/secret.csv'", "."),
        ("from secrets_of_this_test", "does not exist"),
    ],
)
def test_a_query_reads_the_database_and_nothing_else(
    one_run: StorePaths, text: str, reason: str
) -> None:
    secrets_of_this_test = pl.DataFrame({"a": [1]})
    assert len(secrets_of_this_test) == 1
    folder = one_run.database.parent
    for name in ("secret.txt", "secret.csv"):
        (folder / name).write_text("a\n1\n")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(MisuseError, match=reason) as caught:
        sql(one_run, text.format(folder=folder, database=one_run.database))
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_query_of_no_database_says_so(paths: StorePaths) -> None:
    command = rf"'mlbench run \.\.\. --db {paths.database}' makes it"
    with pytest.raises(StoreError, match=rf"no database .*runs\.duckdb yet; {command}"):
        sql(paths, "from runs")
