"""Paired differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl
import pytest

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures.paired import p_text
from mlbench.report.material import Material
from mlbench.stats.paired import comparisons
from tests.gallery import Made
from tests.report.figures.specs import axis_titles, blocks, rows, spec, subtitle

SAID = ("difference", "low", "high", "p_holm", "wins", "losses", "ties")
ONE = Made(algorithm="maml", test_tasks=20, validation_tasks=2, train_tasks=20, validate_every=10)


def test_rows_are_the_comparisons_with_the_baseline(pictures: Material) -> None:
    compared = comparisons(
        pictures.counted, pictures.test_episodes, pictures.hyperparameters, baseline="maml"
    )
    whole = spec("paired", pictures, baseline="maml")
    drawn = {tuple(row[name] for name in SAID) for row in rows(whole, *SAID)}
    assert drawn == set(compared.select(SAID).rows())
    assert {row["series"] for row in rows(whole, *SAID)} == {"FO-MAML", "TURTLE"}


def test_all_pairs_are_of_a_later_technique_less_an_earlier_one(pictures: Material) -> None:
    whole = spec("paired", pictures)
    assert [row["series"] for row in rows(whole, *SAID)][:3] == [
        "MAML − FO-MAML",
        "TURTLE − FO-MAML",
        "TURTLE − MAML",
    ]
    scores = pictures.results.filter(train_dataset="mini", eval_dataset="mini")
    means = dict(scores.group_by("algorithm").agg(pl.col("score").mean()).iter_rows())
    first = next(row for row in rows(whole, *SAID) if row["series"] == "TURTLE − MAML")
    assert first["difference"] == pytest.approx(means["turtle"] - means["maml"])


def test_the_axis_says_which_direction_is_better(pictures: Material, waves: Material) -> None:
    (title, *_) = axis_titles(spec("paired", pictures, baseline="maml"), "x")
    assert title.index("MAML better") < title.index("technique better")
    errors = Material(waves.paths, where="algorithm in ('maml', 'lstm') and seed < 2")
    (title, *_) = axis_titles(spec("paired", errors, baseline="maml"), "x")
    assert title.index("technique better") < title.index("MAML better")


def test_too_many_pairs_are_compared_with_maml(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    names = ("lstm", "fo_maml", "maml", "turtle", "reptile", "anil", "protonet")
    whole = spec("paired", store([replace(ONE, algorithm=name) for name in names]))
    at_home = rows(whole, *SAID)
    assert len(at_home) == 2 * (len(names) - 1)
    assert "--baseline names another" in subtitle(blocks(whole)[0])


def test_what_cannot_be_compared_is_not_drawn_but_named(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [ONE, replace(ONE, algorithm="turtle"), replace(ONE, algorithm="anil", seed=9)]
    whole = spec("paired", store(runs))
    assert {row["series"] for row in rows(whole, *SAID)} == {"TURTLE − MAML"}
    said = subtitle(blocks(whole)[0])
    assert "no seed and episode in common, or a score is not finite: ANIL − MAML" in said
    assert "Where there is one run, the interval is over episodes alone." in said


def test_one_technique_alone_is_nothing_to_compare(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    with pytest.raises(NothingToDrawError, match="two techniques that were tested on the same"):
        spec("paired", store([ONE]))


def test_an_unknown_baseline_is_refused_with_the_known(pictures: Material) -> None:
    with pytest.raises(MisuseError, match="fo_maml, maml, turtle"):
        spec("paired", pictures, baseline="mamml")


def test_p_values_are_told_to_three_places() -> None:
    assert (p_text(0.0004), p_text(0.0316), p_text(1.0)) == ("p < 0.001", "p = 0.032", "p = 1.000")


def test_settings_with_nothing_to_compare_are_told_of_with_the_first_title(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [ONE, replace(ONE, algorithm="turtle")]
    runs += [replace(run, budget="full") for run in runs]
    alone = replace(ONE, protocol="released", statistic="trimmed")
    unmatched = [replace(ONE, budget="other"), replace(runs[1], budget="other", seed=9)]
    first, second = blocks(spec("paired", store([*runs, alone, *unmatched])))
    said = subtitle(first)
    assert "Left out: 5-way classification, released protocol, quick budget" in said
    assert "Left out: 5-way classification, corrected protocol, other budget" in said
    assert "nothing to compare on identical episodes" in said
    assert "Left out" not in subtitle(second)
