"""Two techniques on the very same episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from mlbench.errors import MisuseError
from mlbench.stats.holm import holm
from mlbench.stats.paired import comparisons, flip, signed_rank
from mlbench.stats.two_level import two_level_interval
from tests.stats.made import RESULT

SETTINGS_SCHEMA = ["run_id", "part", "name", "value"]
NO_SETTINGS = pl.DataFrame(schema=dict.fromkeys(SETTINGS_SCHEMA, pl.String))
Run = tuple[dict[str, Any], Mapping[int, float]]


def frames(*runs: Run) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return results, test episodes and no hyperparameters of runs, from their scores by key."""
    rows = [RESULT | {"run_id": f"r{n}"} | told for n, (told, _) in enumerate(runs)]
    met = [
        (f"r{n}", row["eval_dataset"], place, key, score, score)
        for n, (row, (_, scores)) in enumerate(zip(rows, runs, strict=True))
        for place, (key, score) in enumerate(scores.items())
    ]
    names = ("run_id", "eval_dataset", "episode", "episode_key", "loss", "score")
    types = (pl.String, pl.String, pl.Int64, pl.UInt64, pl.Float64, pl.Float64)
    schema = {"incomplete": pl.String, "ways": pl.Int64, "score": pl.Float64}
    return (
        pl.DataFrame(rows, schema_overrides=schema),
        pl.DataFrame(met, schema=dict(zip(names, types, strict=True)), orient="row"),
        NO_SETTINGS,
    )


def technique(name: str, scores: Sequence[Sequence[float]], **told: Any) -> list[Run]:
    """Return runs of one technique, a row of scores each, on episodes 10, 11 and so on."""
    return [
        ({"algorithm": name, "seed": seed} | told, dict(enumerate(row, 10)))
        for seed, row in enumerate(scores)
    ]


def random_scores(seed: int, runs: int = 3, episodes: int = 30) -> list[list[float]]:
    random = np.random.default_rng(seed)
    scores: list[list[float]] = (random.integers(0, 81, (runs, episodes)) / 80).tolist()
    return scores


def only(frame: pl.DataFrame) -> dict[str, Any]:
    (row,) = frame.iter_rows(named=True)
    return dict(row)


def test_a_pair_is_compared_episode_by_episode_and_run_by_run() -> None:
    ours, theirs = random_scores(1), random_scores(2)
    row = only(comparisons(*frames(*technique("a", ours), *technique("b", theirs))))
    differences = np.array(ours) - np.array(theirs)
    interval = two_level_interval(differences)
    means = differences.mean(axis=0)
    assert (row["first"], row["second"], row["runs"], row["episodes"]) == ("a", "b", 3, 30)
    assert row["difference"] == pytest.approx(differences.mean())
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert (row["wins"], row["losses"]) == ((means > 1e-9).sum(), (means < -1e-9).sum())
    assert row["wins"] + row["losses"] + row["ties"] == 30
    theirs_p = stats.wilcoxon(np.round(means, 9), zero_method="pratt").pvalue
    assert row["p_value"] == pytest.approx(theirs_p)
    assert row["p_holm"] == row["p_value"]


def test_what_all_techniques_find_hard_does_not_widen_the_interval() -> None:
    hard = np.random.default_rng(0).normal(0, 10, 200)
    noise = np.random.default_rng(1).normal(0, 0.1, (2, 3, 200))
    calm = [noise[0].tolist(), noise[1].tolist()]
    wild = [(part + hard).tolist() for part in noise]
    rows = [
        only(comparisons(*frames(*technique("a", ours), *technique("b", theirs))))
        for ours, theirs in (calm, wild)
    ]
    for name in ("difference", "low", "high", "p_value"):
        assert rows[0][name] == pytest.approx(rows[1][name], abs=1e-9)


def test_only_seeds_and_episodes_that_both_met_count() -> None:
    first = technique("a", [[0.1, 0.9, 0.5], [0.2, 0.8, 0.5], [0.0, 0.0, 0.0]])
    second = [
        ({"algorithm": "b", "seed": 0}, {99: 1.0, 12: 0.4, 11: 0.6}),
        ({"algorithm": "b", "seed": 1}, {12: 0.4, 98: 1.0, 11: 0.6}),
    ]
    row = only(comparisons(*frames(*first, *second)))
    assert (row["runs"], row["episodes"]) == (2, 2)
    assert row["difference"] == pytest.approx((0.3 + 0.1 + 0.2 + 0.1) / 4)
    assert (row["wins"], row["losses"], row["ties"]) == (2, 0, 0)


@pytest.mark.parametrize(
    ("other", "runs"),
    [
        (technique("b", [[0.5]], seed=7), 0),  # another seed
        ([({"algorithm": "b"}, {99: 0.5})], 1),  # another episode
    ],
)
def test_a_pair_with_nothing_in_common_is_there_and_says_nothing(
    other: list[Run], runs: int
) -> None:
    row = only(comparisons(*frames(*technique("a", [[0.4]]), *other)))
    assert (row["runs"], row["episodes"], row["ties"], row["nan_episodes"]) == (runs, 0, 0, 0)
    assert [row[name] for name in ("difference", "low", "high", "p_value", "p_holm")] == [None] * 5


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_score_that_is_not_finite_leaves_no_difference_and_is_counted(odd: float) -> None:
    ours, theirs = random_scores(1), random_scores(2)
    ours[1][3] = theirs[1][3] = theirs[0][5] = odd
    row = only(comparisons(*frames(*technique("a", ours), *technique("b", theirs))))
    assert [row[name] for name in ("difference", "low", "high", "p_value", "p_holm")] == [None] * 5
    assert row["nan_episodes"] == 2
    assert row["wins"] + row["losses"] + row["ties"] == 28


def test_lower_is_better_in_regression() -> None:
    runs = [*technique("a", [[1.0, 2.0, 3.0]]), *technique("b", [[2.0, 3.0, 1.0]])]
    errors = [(told | {"kind": "regression"}, scores) for told, scores in runs]
    accuracy, error = (only(comparisons(*frames(*each))) for each in (runs, errors))
    assert (accuracy["wins"], accuracy["losses"]) == (1, 2)
    assert (error["wins"], error["losses"]) == (2, 1)
    assert error["difference"] == accuracy["difference"]


def test_equal_means_tie_though_their_sums_round_apart() -> None:
    ours, theirs = [[64 / 80], [17 / 80], [36 / 80]], [[17 / 80], [36 / 80], [64 / 80]]
    assert (np.array(ours) - np.array(theirs)).mean() != 0
    pairs = [[[x, 0.9] for (x,) in side] for side in (ours, theirs)]
    row = only(comparisons(*frames(*technique("a", pairs[0]), *technique("b", pairs[1]))))
    assert (row["wins"], row["losses"], row["ties"], row["p_value"]) == (0, 0, 2, 1.0)


def test_ties_are_ranked_before_they_are_dropped() -> None:
    ours = [0.0] * 30 + [0.1, 0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.8]
    row = only(comparisons(*frames(*technique("a", [ours]), *technique("b", [[0.0] * 38]))))
    pratt, wilcox = (stats.wilcoxon(ours, zero_method=how).pvalue for how in ("pratt", "wilcox"))
    assert row["p_value"] == pytest.approx(pratt)
    assert row["p_value"] != pytest.approx(wilcox, rel=0.05)
    assert row["ties"] == 30


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("tied", [False, True])
def test_the_signed_rank_test_of_few_episodes_is_exact(n: int, tied: bool) -> None:
    random = np.random.default_rng(n)
    differences = random.integers(-3, 4, n) / 4 if tied else random.normal(size=n)
    method = stats.PermutationMethod(n_resamples=10**6)
    theirs = stats.wilcoxon(differences, zero_method="pratt", method=method).pvalue
    assert signed_rank(differences) == pytest.approx(theirs)


def test_one_run_each_gives_students_interval_over_episodes() -> None:
    ours, theirs = np.random.default_rng(0).normal(size=(2, 400))
    row = only(
        comparisons(*frames(*technique("a", [ours.tolist()]), *technique("b", [theirs.tolist()])))
    )
    difference = ours - theirs
    low, high = stats.t.interval(0.95, 399, difference.mean(), stats.sem(difference))
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_all_pairs_of_a_field_are_compared_and_adjusted_together() -> None:
    runs = [run for n, name in enumerate("abcd") for run in technique(name, random_scores(n))]
    frame = comparisons(*frames(*runs))
    assert frame.select("first", "second").rows() == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("b", "c"),
        ("b", "d"),
        ("c", "d"),
    ]
    assert frame["p_holm"].to_list() == pytest.approx(holm(frame["p_value"].to_list()))
    assert frame["p_holm"].to_list() != frame["p_value"].to_list()


def test_a_baseline_is_compared_with_every_other_and_comes_second() -> None:
    runs = [run for n, name in enumerate("abc") for run in technique(name, random_scores(n))]
    whole = comparisons(*frames(*runs))
    frame = comparisons(*frames(*runs), baseline="b")
    assert frame.select("first", "second").rows() == [("a", "b"), ("c", "b")]
    turned = flip(whole.filter(first="b"))
    columns = ("difference", "low", "high", "wins", "losses", "ties", "p_value")
    for name in columns:
        assert frame.filter(first="c")[name].item() == pytest.approx(turned[name].item())
    with pytest.raises(MisuseError, match=r"no results of maml to compare with.*: a, b, c"):
        comparisons(*frames(*runs), baseline="maml")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("protocol", "released"),
        ("budget", "quick"),
        ("train_dataset", "cub"),
        ("eval_dataset", "mini"),
        ("shots", 5),
        ("ways", None),
        ("train_fingerprint", "other"),
        ("incomplete", "mini: 60 of 600 images a class"),
        ("precision", "bfloat16"),
    ],
)
def test_what_may_not_share_a_table_is_not_compared(column: str, value: Any) -> None:
    runs = [*technique("a", [[0.5]]), *technique("b", [[0.5]], **{column: value})]
    assert comparisons(*frames(*runs)).is_empty()


def test_families_of_different_fields_are_adjusted_apart() -> None:
    runs = [
        run
        for shots in (1, 5)
        for n, name in enumerate("abc")
        for run in technique(name, random_scores(n + shots), shots=shots)
    ]
    frame = comparisons(*frames(*runs))
    for _, part in frame.group_by("shots"):
        assert part["p_holm"].to_list() == pytest.approx(holm(part["p_value"].to_list()))


def test_one_technique_under_two_settings_is_two_competitors_that_say_their_settings() -> None:
    results, episodes, _ = frames(
        *technique("maml", [[0.4, 0.5]], settings_hash="aa"),
        *technique("maml", [[0.5, 0.7]], settings_hash="bb"),
        *technique("turtle", [[0.5, 0.6]], settings_hash="cc"),
    )
    values = [("r0", "0.01"), ("r1", "0.05"), ("r2", "0.3")]
    rows = [(run, "algorithm", "inner_lr", value) for run, value in values]
    hyperparameters = pl.DataFrame(rows, schema=SETTINGS_SCHEMA, orient="row")
    frame = comparisons(results, episodes, hyperparameters)
    names = ("first", "first_settings", "second", "second_settings")
    assert frame.select(names).rows() == [
        ("maml", "inner_lr=0.01", "maml", "inner_lr=0.05"),
        ("maml", "inner_lr=0.01", "turtle", ""),
        ("maml", "inner_lr=0.05", "turtle", ""),
    ]


def test_runs_that_were_not_tested_are_not_compared() -> None:
    runs = [*technique("a", [[0.5, 0.6]]), *technique("b", [[0.4, 0.4]])]
    untested: Run = ({"algorithm": "b", "seed": 1, "score": None, "status": "diverged"}, {})
    more = technique("a", [[0.5, 0.6], [0.7, 0.6]])[1:]
    assert only(comparisons(*frames(*runs, untested, *more)))["runs"] == 1


def test_nothing_to_compare_gives_no_rows_but_all_columns() -> None:
    results, episodes, hyperparameters = frames(*technique("a", [[0.5]]))
    full = comparisons(*frames(*technique("a", [[0.5]]), *technique("b", [[0.5]])))
    for counted in (results, results.clear()):
        empty = comparisons(counted, episodes, hyperparameters)
        assert empty.is_empty()
        assert empty.schema == full.schema
    assert comparisons(results.clear(), episodes, hyperparameters, baseline="maml").is_empty()


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 12))


@settings(max_examples=8, deadline=None)
@given(SHAPES, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_swapping_turns_signs_and_the_order_of_rows_does_not_matter(
    shape: tuple[int, int], seed: int, random: Any
) -> None:
    ours, theirs = random_scores(seed, *shape), random_scores(seed + 1, *shape)
    forth = comparisons(*frames(*technique("a", ours), *technique("b", theirs)))
    back = comparisons(*frames(*technique("b", ours), *technique("a", theirs)))
    turned = flip(back).with_columns(first=pl.lit("a"), second=pl.lit("b"))
    row, mirror = only(forth), only(turned)
    assert row.keys() == mirror.keys()
    for name, value in row.items():
        close = pytest.approx(value, abs=1e-12) if isinstance(value, float) else value
        assert mirror[name] == close, name
    assert flip(flip(forth)).equals(forth)

    results, episodes, hyperparameters = frames(*technique("a", ours), *technique("b", theirs))
    order = list(range(len(episodes)))
    random.shuffle(order)
    shuffled = comparisons(results[::-1], episodes[order], hyperparameters)
    assert shuffled.equals(forth)


def test_equal_techniques_are_told_apart_five_times_in_a_hundred() -> None:
    random = np.random.default_rng(0)
    p_values = []
    for _ in range(8):
        noise = random.normal(size=(8, 40)).tolist()
        runs = [
            run
            for name, row in zip("abcdefgh", noise, strict=True)
            for run in technique(name, [row])
        ]
        p_values.extend(comparisons(*frames(*runs))["p_value"].to_list())
    assert len(p_values) == 224
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.035)
