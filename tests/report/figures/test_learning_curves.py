"""Learning curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl
import pytest

from mlbench.report.material import Material
from mlbench.stats.intervals import median_interval
from tests.gallery import Made
from tests.report.figures.specs import Spec, blocks, panel_titles, rows, spec, subtitle

ONE = Made(algorithm="maml", test_tasks=2, validation_tasks=2, train_tasks=400)


@pytest.fixture(scope="module")
def curves(pictures: Material) -> Spec:
    return spec("learning-curves", pictures)


def validated(whole: Spec) -> list[Spec]:
    return rows(whole, "tasks", "score")


def test_a_point_is_the_median_over_runs_with_its_interval(
    curves: Spec, pictures: Material
) -> None:
    values = pictures.curves.filter(
        phase="validation", algorithm="turtle", train_dataset="mini", tasks=200
    )["score"]
    assert len(values) == 3
    wanted = median_interval(values.to_list())
    points = [
        (row["score"], row["low"], row["high"], row["runs"])
        for row in validated(curves)
        if (row["series"], row["tasks"]) == ("TURTLE", 200)
    ]
    assert (wanted.centre, wanted.low, wanted.high, 3) in points


def test_each_line_has_one_best_point_and_it_is_the_highest(curves: Spec) -> None:
    for block in blocks(curves):
        assert "The large mark is the best validation" in subtitle(block)
    for data in curves["datasets"].values():
        points = [row for row in data if "mark" in row]
        for name in {row["series"] for row in points}:
            own = [row for row in points if row["series"] == name]
            (best,) = (row for row in own if row["mark"] == "best")
            assert best["score"] == max(row["score"] for row in own)


def test_the_best_error_is_the_lowest(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm = 'maml' and seed = 0")
    points = validated(spec("learning-curves", chosen))
    first = [row for row in points if row["series"] == points[0]["series"]]
    (best,) = (row for row in first if row["mark"] == "best")
    assert best["score"] == min(row["score"] for row in first)


def test_training_losses_are_medians_of_windows(curves: Spec, pictures: Material) -> None:
    ours = pictures.curves.filter(phase="train", algorithm="maml", train_dataset="cub")
    means = ours.filter(pl.col("tasks") <= 8).group_by("run_id").agg(pl.col("loss").mean())
    losses = [row["loss"] for row in rows(curves, "loss") if row["tasks"] == 8]
    assert any(loss == pytest.approx(means["loss"].median()) for loss in losses)
    assert len({row["tasks"] for row in rows(curves, "loss")}) == 50


def test_there_is_a_panel_per_data_set_in_the_paper_s_order(curves: Spec) -> None:
    assert panel_titles(curves) == ["mini, 5-way 1-shot", "cub, 5-way 1-shot"]


def test_a_single_run_is_marked_as_such(store: Callable[[Sequence[Made]], Material]) -> None:
    runs = [ONE, *(replace(ONE, algorithm="turtle", seed=seed) for seed in range(2))]
    single = {
        row["series"]: row["single"] for row in validated(spec("learning-curves", store(runs)))
    }
    assert single == {"MAML": True, "TURTLE": False}


def test_a_run_under_way_is_drawn_only_where_none_is_finished(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    going = replace(ONE, algorithm="turtle", status="interrupted", until=0.6)
    whole = spec("learning-curves", store([ONE, replace(going, algorithm="maml", seed=1), going]))
    points = {(row["series"], row["runs"]) for row in validated(whole)}
    assert points == {("MAML", 1), ("TURTLE", 1)}
    assert "1 not finished yet." in subtitle(blocks(whole)[0])


def test_a_failed_run_is_not_drawn(store: Callable[[Sequence[Made]], Material]) -> None:
    failed = replace(ONE, algorithm="turtle", status="failed", error="no", until=0.6)
    whole = spec("learning-curves", store([ONE, failed]))
    assert {row["series"] for row in validated(whole)} == {"MAML"}


def test_lines_of_runs_that_diverged_are_named(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [ONE, replace(ONE, seed=1, status="diverged"), replace(ONE, algorithm="turtle")]
    (block,) = blocks(spec("learning-curves", store(runs)))
    assert "Diverged, and stopped early: MAML (1 of 2 runs)." in subtitle(block)
