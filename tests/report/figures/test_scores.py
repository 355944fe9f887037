"""Figures of test scores: Figures 3.2 to 3.4, cross-domain, scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl
import pytest

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures.theme import room
from mlbench.report.material import Material
from mlbench.stats.intervals import median_interval
from mlbench.stats.times import summarise_times
from tests.gallery import Made
from tests.report.figures.specs import (
    Spec,
    axis_titles,
    blocks,
    panel_titles,
    parts,
    rows,
    spec,
    subtitle,
)

ONE = Made(algorithm="maml", test_tasks=2, validation_tasks=2, train_tasks=20, validate_every=10)
POINT = ("score", "low", "high")


def drawn(whole: Spec, *fields: str) -> set[tuple[object, ...]]:
    return {tuple(row[name] for name in fields) for row in rows(whole, *fields)}


def test_figure_3_3_has_the_numbers_of_the_summary(waves: Material) -> None:
    whole = spec("figure-3.3", waves)
    assert drawn(whole, *POINT) == set(waves.summary.select(POINT).rows())
    assert panel_titles(whole) == ["sine, 5-shot, T = 1", "sine, 5-shot, T = 5"]
    assert "mean squared error on sine test episodes" in axis_titles(whole, "x")


def test_figure_3_2_has_the_best_validation_of_each_run(waves: Material) -> None:
    ours = waves.hyperparameters.filter(
        (pl.col("name") == "hidden") & (pl.col("value") == "[20, 20]")
        | (pl.col("name") == "train_steps") & (pl.col("value") == "5")
    )
    chosen = ours.group_by("run_id").len().filter(len=2)["run_id"]
    best = waves.curves.filter(
        pl.col("run_id").is_in(chosen.to_list()), phase="validation", algorithm="turtle"
    )
    lowest = best.group_by("run_id").agg(pl.col("score").min())["score"]
    assert len(lowest) == 3
    wanted = median_interval(lowest.to_list())
    points = drawn(spec("figure-3.2", waves), "series", "layers", *POINT)
    assert ("TURTLE", 2, wanted.centre, wanted.low, wanted.high) in points


def test_figure_3_2_has_maml_beside_the_layers_and_a_panel_per_t(waves: Material) -> None:
    whole = spec("figure-3.2", waves)
    layers = {(row["series"], row["layers"]) for row in rows(whole, "layers")}
    assert layers == {
        ("FO-MAML", None), ("MAML", None), ("FO-TURTLE", 0), ("FO-TURTLE", 2),
        ("TURTLE", 0), ("TURTLE", 2),
    }  # fmt: skip
    assert panel_titles(whole) == ["sine, 5-shot, T = 1", "sine, 5-shot, T = 5"]
    assert subtitle(blocks(whole)[0]).startswith("Best validation of each run.")


def test_figure_3_2_shows_the_test_on_request(waves: Material) -> None:
    whole = spec("figure-3.2", waves, measure="test")
    assert drawn(whole, *POINT) <= set(waves.summary.select(POINT).rows())
    assert axis_titles(whole, "y") == {"mean squared error on sine test episodes"}


def test_figure_3_4_has_times_and_scores_in_one_unit(pictures: Material) -> None:
    times = summarise_times(pictures.times, pictures.results, pictures.hyperparameters)
    row = times.filter(algorithm="turtle", train_dataset="mini").row(0, named=True)
    whole = spec("figure-3.4", pictures)
    assert "running time of a run (minutes)" in axis_titles(whole, "x")
    wanted = (row["seconds"] / 60, row["seconds_low"] / 60, row["seconds_high"] / 60)
    at_home = (*wanted, *(row[name] for name in POINT))
    points = drawn(whole, "time", "time_low", "time_high", *POINT)
    assert at_home in points
    abroad = pictures.summary.filter(
        algorithm="turtle", train_dataset="mini", eval_dataset="cub"
    ).row(0, named=True)
    assert (*wanted, *(abroad[name] for name in POINT)) in points


def test_figure_3_4_joins_first_and_second_order(pictures: Material) -> None:
    whole = spec("figure-3.4", pictures)
    ends = {row["series"]: (row["time"], row["score"]) for row in rows(whole, "time_low")}
    lines = rows(whole, "to_time")
    assert (ends["FO-MAML"], ends["MAML"]) in [
        ((line["time"], line["score"]), (line["to_time"], line["to_score"])) for line in lines
    ]
    assert len(lines) == len(panel_titles(whole)) == 4


def test_times_are_told_in_the_unit_that_fits(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm in ('maml', 'lstm')")
    assert "running time of a run (seconds)" in axis_titles(spec("figure-3.4", chosen), "x")


def test_the_time_of_a_single_run_is_no_median(pictures: Material) -> None:
    def told(material: Material) -> str:
        (block,) = blocks(spec("figure-3.4", material))
        return subtitle(block)

    assert "Time: median over runs" in told(pictures)
    assert "median" not in told(Material(pictures.paths, where="seed = 0"))


def test_cross_domain_has_both_scores_and_their_difference(pictures: Material) -> None:
    summary = pictures.summary.filter(algorithm="maml", train_dataset="cub")
    home = summary.filter(eval_dataset="cub").row(0, named=True)
    away = summary.filter(eval_dataset="mini").row(0, named=True)
    whole = spec("cross-domain", pictures)
    drop = away["score"] - home["score"]
    drops = drawn(whole, "series", "score", "home_score", "change")
    assert ("MAML", away["score"], home["score"], f"−{-drop:.3f}") in drops
    points = drawn(whole, "eval_dataset", "at_home", *POINT)
    assert ("cub", True, *(home[name] for name in POINT)) in points
    assert ("mini", False, *(away[name] for name in POINT)) in points


def test_scaling_in_t_has_a_line_per_technique(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm in ('maml', 'lstm')")
    whole = spec("scaling", chosen)
    assert {(row["series"], row["value"]) for row in rows(whole, "value")} == {
        ("MAML", 1.0), ("MAML", 5.0), ("meta-learner LSTM", 1.0), ("meta-learner LSTM", 5.0),
    }  # fmt: skip
    assert drawn(whole, *POINT) == set(chosen.summary.select(POINT).rows())
    assert axis_titles(whole, "x") == {"updates per task in training, T"}


def test_scaling_shows_times_on_request(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm in ('maml', 'lstm')")
    times = summarise_times(chosen.times, chosen.results, chosen.hyperparameters)
    whole = spec("scaling", chosen, measure="seconds")
    assert {row["score"] for row in rows(whole, "value")} == set(times["seconds"])
    assert "running time of a run (seconds)" in axis_titles(whole, "y")


def test_scaling_in_shots_joins_budgets_that_train_less_at_more_shots(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [ONE, replace(ONE, shots=5, train_tasks=10)]
    whole = spec("scaling", store(runs), over="shots")
    assert {row["value"] for row in rows(whole, "value")} == {1.0, 5.0}
    assert "20 (1-shot) or 10 (5-shot) training tasks" in subtitle(blocks(whole)[0])


def test_scaling_in_ways_joins_them(store: Callable[[Sequence[Made]], Material]) -> None:
    whole = spec("scaling", store([ONE, replace(ONE, ways=10)]))
    assert {row["value"] for row in rows(whole, "value")} == {5.0, 10.0}
    assert axis_titles(whole, "x") == {"ways (classes per episode)"}


def test_scaling_in_a_hyperparameter_that_is_no_number_lists_its_values(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [replace(ONE, hyperparameters=(("hidden", [20] * n),)) for n in (1, 3)]
    whole = spec("scaling", store(runs), over="hidden")
    assert {row["value"] for row in rows(whole, "value")} == {"1×20", "3×20"}


def test_scaling_needs_two_values_and_says_which_there_are(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    material = store([ONE])
    with pytest.raises(NothingToDrawError, match=r"no shots other than 1 .* --shots 10"):
        spec("scaling", material, over="shots")
    with pytest.raises(NothingToDrawError, match=r"no hyperparameter 'order' other than 2 in one"):
        spec("scaling", material, over="order")


def test_scaling_over_what_no_run_has_is_refused_with_what_there_is(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    material = store([ONE])
    with pytest.raises(MisuseError, match="'beta'; there are: T, shots, ways, order, train_steps"):
        spec("scaling", material, over="beta")
    with pytest.raises(MisuseError, match=r"'shot'; did you mean 'shots'\? There are: T, shots"):
        spec("scaling", material, over="shot")


def test_scaling_tells_of_settings_without_two_values_with_its_first_title(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [ONE, replace(ONE, shots=5), replace(ONE, protocol="released", statistic="trimmed")]
    runs += [replace(run, budget="full") for run in runs[:2]]
    first, second = blocks(spec("scaling", store(runs), over="shots"))
    said = "Left out: 5-way classification, released protocol, quick budget"
    assert said in subtitle(first)
    assert "a line needs two values of shots" in subtitle(first)
    assert "Left out" not in subtitle(second)


@pytest.mark.parametrize(
    ("name", "channel"), [("figure-3.4", "y"), ("learning-curves", "y"), ("figure-3.3", "x")]
)
def test_an_axis_of_one_value_has_it_in_its_middle(
    name: str, channel: str, store: Callable[[Sequence[Made]], Material]
) -> None:
    one = replace(ONE, train_tasks=10, validate_every=20, eval_datasets=())
    if name == "figure-3.3":
        one = replace(one, train_dataset="sine", ways=None, shots=5, level=1.5)
    whole = spec(name, store([one]))
    (score,) = {row["score"] for row in rows(whole, "score")}
    domains = [
        part[channel]["scale"]["domain"]
        for part in parts(whole)
        if isinstance(part.get(channel), dict)
        and part[channel].get("field") == "score"
        and part[channel].get("scale")
    ]
    assert domains
    for low, high in domains:
        assert (low + high) / 2 == pytest.approx(score)
        assert low < high


def test_an_axis_of_nothing_but_zero_has_room_round_it() -> None:
    assert room(pl.Series([0.0, None])).to_dict()["domain"] == [-1.0, 1.0]
    assert "domain" not in room(pl.Series([0.1, 0.2])).to_dict()


def test_figure_3_4_says_how_many_runs_have_no_time_having_diverged(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    stopped = replace(ONE, algorithm="turtle", status="diverged")
    (block,) = blocks(spec("figure-3.4", store([ONE, stopped, replace(stopped, seed=1)])))
    assert "2 runs diverged and stopped early, so they have no time here." in subtitle(block)


def test_figure_3_4_has_panels_of_their_own_for_runs_that_were_stacked(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    alone = replace(ONE, eval_datasets=())
    stacked = [replace(alone, seed=seed, seconds=1.0, stacked=2) for seed in (1, 2)]
    whole = spec("figure-3.4", store([alone, *stacked]))
    task = "mini, 5-way 1-shot"
    assert panel_titles(whole) == [f"{task}, runs alone", f"{task}, 2 runs stacked"]
    assert {row["stacked"] for row in rows(whole, "stacked")} == {1, 2}
    said = "2 of 3 runs computed stacked, in float32: equal to runs alone statistically"
    assert said in subtitle(blocks(whole)[0])


def test_times_by_shots_are_not_joined_from_runs_alone_to_stacked_ones(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    material = store([ONE, replace(ONE, shots=5, stacked=2)])
    with pytest.raises(NothingToDrawError, match="no shots other than 1 and 5 in one panel"):
        spec("scaling", material, over="shots", measure="seconds")
    assert panel_titles(spec("scaling", material, over="shots"))


@pytest.mark.parametrize("name", ["learning-curves", "cross-domain", "scaling"])
def test_single_runs_have_no_layer_of_intervals(
    name: str, store: Callable[[Sequence[Made]], Material]
) -> None:
    options = {"over": "shots"} if name == "scaling" else {}
    whole = spec(name, store([ONE, replace(ONE, shots=5)]), **options)
    fields = {
        part[channel].get("field")
        for part in parts(whole)
        for channel in ("x", "y")
        if isinstance(part.get(channel), dict)
    }
    assert "score" in fields
    assert "low" not in fields
