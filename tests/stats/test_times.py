"""Running times: medians over runs."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from mlbench.stats.intervals import median_interval
from mlbench.stats.summary import summarise
from mlbench.stats.time_ratios import time_ratios
from mlbench.stats.times import summarise_times, unequal_stacks
from tests.stats.timed import five, frames, run


def test_times_are_medians_over_runs_beside_the_score_in_domain() -> None:
    runs = five("maml", [90.0, 110.0, 100.0, 500.0, 95.0])
    times, results, hyperparameters = frames(*(r | {"score": r["seconds"] / 1000} for r in runs))
    (row,) = summarise_times(times, results, hyperparameters).iter_rows(named=True)
    interval = median_interval([90.0, 110.0, 100.0, 500.0, 95.0])
    assert (row["seconds"], row["seconds_low"], row["seconds_high"]) == (100, 90, 500)
    assert interval.high == 500
    assert (row["train_seconds"], row["validation_seconds"], row["test_seconds"]) == (80, 15, 5)
    assert (row["eval_dataset"], row["score"], row["low"], row["high"]) == ("mini", 0.1, 0.09, 0.5)
    assert (row["machine"], row["runs"], row["diverged"]) == ("cpu: Epyc, 1 thread, loop", 5, 0)


@pytest.mark.parametrize(
    ("told", "machine"),
    [
        ({"cpu": "Xeon"}, "cpu: Xeon, 1 thread, loop"),
        ({"threads": 8}, "cpu: Epyc, 8 threads, loop"),
        ({"engine": "stacked"}, "cpu: Epyc, 1 thread, stacked"),
        ({"device": "cuda:1", "gpu": "H200"}, "cuda: H200, 1 thread, loop"),
        ({"cpu": None}, "cpu: unknown, 1 thread, loop"),
        ({"compiled": True}, "cpu: Epyc, 1 thread, loop, compiled"),
        (
            {"device": "cuda", "gpu": "H200", "tf32": True, "deterministic": False},
            "cuda: H200, 1 thread, loop, TF32",
        ),
        (
            {"device": "cuda", "gpu": "H200", "tf32": False, "deterministic": True},
            "cuda: H200, 1 thread, loop, deterministic",
        ),
    ],
)
def test_different_machines_are_never_pooled_nor_paired(told: dict[str, Any], machine: str) -> None:
    times, results, hyperparameters = frames(
        run("a", seed=0), run("b", seed=1, seconds=1.0, **told), run("c", "turtle", seed=1)
    )
    rows = summarise_times(times, results, hyperparameters).filter(algorithm="maml")
    assert dict(rows.select("machine", "seconds").rows()) == {
        "cpu: Epyc, 1 thread, loop": 100,
        machine: 1,
    }
    assert rows["score"].to_list() == [0.5, 0.5]
    assert time_ratios(times, results, hyperparameters).is_empty()


def test_native_networks_are_their_technique_s_own_unless_it_ran_without_them_too() -> None:
    native = "loop, native"
    alike = [run("a"), run("b", "turtle", engine=native, seconds=50.0)]
    times, results, hyperparameters = frames(*alike)
    assert times_by_machine(times, results, hyperparameters) == {
        ("maml", "cpu: Epyc, 1 thread, loop"): 100,
        ("turtle", "cpu: Epyc, 1 thread, loop"): 50,
    }
    (ratio,) = time_ratios(times, results, hyperparameters).iter_rows(named=True)
    assert ratio["ratio"] == 2
    times, results, hyperparameters = frames(*alike, run("c", "turtle", seed=1, seconds=70.0))
    assert times_by_machine(times, results, hyperparameters) == {
        ("maml", "cpu: Epyc, 1 thread, loop"): 100,
        ("turtle", "cpu: Epyc, 1 thread, loop"): 50,
        ("turtle", "cpu: Epyc, 1 thread, loop, not native"): 70,
    }


def times_by_machine(
    times: pl.DataFrame, results: pl.DataFrame, hyperparameters: pl.DataFrame
) -> dict[tuple[str, str], float]:
    """Return the median seconds of each technique on each machine."""
    rows = summarise_times(times, results, hyperparameters)
    told = rows.select("algorithm", "machine", "seconds").rows()
    return {(algorithm, machine): seconds for algorithm, machine, seconds in told}


def test_runs_stacked_and_alone_are_never_timed_together_but_share_a_score() -> None:
    times, results, hyperparameters = frames(
        run("a", seed=0, score=0.25),
        *(run(f"b{seed}", seed=seed, seconds=2.0, stacked=30, score=0.75) for seed in (1, 2)),
        run("c", seed=3, seconds=5.0, stacked=3, score=0.75),
        run("d", "turtle", seed=1),
        run("e", "turtle", seed=2, stacked=5),
    )
    rows = summarise_times(times, results, hyperparameters).filter(algorithm="maml")
    columns = ("stacked", "runs", "seconds", "score")
    assert rows.select(columns).rows() == [(1, 1, 100, 0.75), (3, 1, 5, 0.75), (30, 2, 2, 0.75)]
    assert time_ratios(times, results, hyperparameters).is_empty()


def test_runs_that_were_stacked_alike_are_compared() -> None:
    alike = [run("a", stacked=30), run("b", "turtle", stacked=30, seconds=50.0)]
    alone = [run("c", seconds=8.0), run("d", "turtle", seconds=1.0)]
    frame = time_ratios(*frames(*alike, *alone))
    assert frame.select("stacked", "pairs").rows() == [(1, 1), (30, 1)]
    assert frame["ratio"].to_list() == pytest.approx([8, 2], rel=1e-12)


def test_a_run_whose_attempts_were_stacked_unequally_has_no_time() -> None:
    mixed = [run("b", seed=1, seconds=1.0, stacked=None), run("c", "turtle", stacked=None)]
    times, results, hyperparameters = frames(run("a"), *mixed)
    (row,) = summarise_times(times, results, hyperparameters).iter_rows(named=True)
    assert (row["algorithm"], row["runs"], row["seconds"]) == ("maml", 1, 100)
    assert time_ratios(times, results, hyperparameters).is_empty()
    assert unequal_stacks(times) == 2


def test_techniques_that_ran_on_two_machines_have_no_settings_to_tell_apart() -> None:
    runs = [
        run(f"{name}{threads}", name, threads=threads)
        for name in ("maml", "turtle")
        for threads in (1, 8)
    ]
    frame = time_ratios(*frames(*runs))
    assert frame.select("machine", "first_settings", "second_settings").rows() == [
        ("cpu: Epyc, 1 thread, loop", "", ""),
        ("cpu: Epyc, 8 threads, loop", "", ""),
    ]


def test_gpus_of_one_machine_are_one_machine() -> None:
    gpus = [run(f"r{n}", seed=n, device=f"cuda:{n}", gpu="H200") for n in range(3)]
    assert summarise_times(*frames(*gpus))["runs"].to_list() == [3]


def test_what_diverged_stopped_early_and_is_not_timed() -> None:
    stopped = run("b", seed=1, seconds=1.0, status="diverged", score=0.3)
    frame = summarise_times(*frames(run("a"), stopped))
    (row,) = frame.iter_rows(named=True)
    assert (row["runs"], row["diverged"], row["seconds"], row["seconds_low"]) == (1, 1, 100, None)
    assert row["score"] == pytest.approx(0.4)
    (alone,) = summarise_times(*frames(stopped)).iter_rows(named=True)
    assert (alone["runs"], alone["diverged"], alone["seconds"]) == (0, 1, None)


def test_the_rows_are_those_of_the_summary() -> None:
    runs = (
        run("a"), run("b", seed=1), run("c", shots=5), run("d", "lstm", settings_hash="other"),
        run("e", ways=None, kind="regression"), run("f", budget="quick", incomplete="half"),
    )  # fmt: skip
    times, results, hyperparameters = frames(*runs)
    timed = summarise_times(times, results, hyperparameters, "mean")
    summary = summarise(results.filter(eval_dataset="mini"), hyperparameters, "mean")
    shared = [name for name in timed.columns if name in summary.columns and name != "diverged"]
    assert {"settings", "settings_hash", "eval_fingerprint", "statistic"} <= set(shared)
    assert timed.sort(shared).select(shared).equals(summary.sort(shared).select(shared))


def test_nothing_timed_gives_no_rows_but_all_columns() -> None:
    times, results, hyperparameters = frames(run("a"), run("b", "turtle"))
    for function in (summarise_times, time_ratios):
        empty = function(times.clear(), results, hyperparameters)
        assert empty.is_empty()
        assert empty.schema == function(times, results, hyperparameters).schema
        assert function(times.clear(), results.clear(), hyperparameters).is_empty()
