"""Techniques compared in pairs on identical episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from mlbench.errors import MisuseError
from mlbench.stats.holm import holm
from mlbench.stats.intervals import Interval
from mlbench.stats.labels import row_labels
from mlbench.stats.summary import ROW, SETTING, latest
from mlbench.stats.tested import Scores, Tested, common_keys, matrix, tested_runs
from mlbench.stats.two_level import two_level_interval

CONDITIONS = tuple(name for name in SETTING if name != "statistic")
FIELD = ("train_dataset", "eval_dataset", "ways", "shots")
DATA = ("train_fingerprint", "eval_fingerprint", "incomplete")
"""Techniques are compared only if they met the same data."""
COMPETITOR = ("algorithm", "settings_hash")
SIDES = {
    "first": "second",
    "second": "first",
    "first_settings": "second_settings",
    "second_settings": "first_settings",
}
"""Columns that name a pair, and what is there when it is turned round."""
MEASURED: dict[str, type[pl.DataType]] = {
    "first": pl.String,
    "first_settings": pl.String,
    "second": pl.String,
    "second_settings": pl.String,
    "runs": pl.Int64,
    "episodes": pl.Int64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "wins": pl.Int64,
    "losses": pl.Int64,
    "ties": pl.Int64,
    "nan_episodes": pl.Int64,
    "p_value": pl.Float64,
    "p_holm": pl.Float64,
}
EXACT = 13  # differences whose choices of signs are all counted
HALF = 0.25  # ranks are halves at the least: what is nearer than this is equal
PRECISION = 12  # decimals, relative to the largest score, at which two means count as equal


def comparisons(
    counted: pl.DataFrame,
    episodes: pl.DataFrame,
    hyperparameters: pl.DataFrame,
    *,
    baseline: str | None = None,
) -> pl.DataFrame:
    """Return for each two competitors how they differ on the very same test episodes.

    A competitor is a technique under one set of hyperparameters. Of both, the runs of the seeds
    that both have and the episodes that all of these met are compared, run by run and episode by
    episode. Competitors that were trained or tested on other data are not compared.

    Args:
        counted: The results that count: :func:`mlbench.stats.summary.latest`.
        episodes: Their test episodes: :func:`mlbench.store.queries.meta_test_episodes`.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        baseline: A technique; each other one is compared to it and to nothing else, and comes
            first. ``None`` for all pairs.

    Columns:
        kind, protocol, budget, precision: ``str``; train_tasks, validation_tasks, validate_every,
            test_tasks, queries: ``i64``.
        train_dataset, eval_dataset: ``str``; ways, shots: ``i64``.
        first, second: ``str``; the two techniques.
        first_settings, second_settings: ``str``; in what they differ from competitors of the same
            name.
        runs: ``i64``; seeds that both were tested with.
        episodes: ``i64``; that all these runs met.
        difference: ``f64``; first - second of the mean score. Null where nothing was common, or a
            score is not finite.
        low, high: ``f64``; its 95 % interval, :func:`.two_level.two_level_interval`: over runs and
            episodes, of one run over episodes alone. Null also where there is one score of each.
        wins, losses, ties: ``i64``; finite episodes on which the mean over runs of the first is
            better, worse, equal; lower is better in regression.
        nan_episodes: ``i64``; episodes on which some score is not finite, none of the above.
        p_value: ``f64``; Wilcoxon's signed rank test over episodes, each the mean over runs. Null
            where the difference is.
        p_holm: ``f64``; the same, adjusted for all pairs of the setting, data sets, ways and shots.
        train_fingerprint, eval_fingerprint, incomplete: ``str``.

    Raises:
        MisuseError: There are results, but none of the baseline.
    """
    demand(baseline, counted)
    same = (*CONDITIONS, *FIELD, *DATA)
    field = competitors(latest(counted), hyperparameters)
    tested = tested_runs(episodes)
    rows: list[dict[str, Any]] = []
    for key, group in field.group_by(same, maintain_order=True):
        shared = dict(zip(same, key, strict=True))
        for first, second in pairs(group.to_dicts(), baseline):
            ours, theirs = by_seed(first, tested), by_seed(second, tested)
            lower = shared["kind"] == "regression"
            measured = met(ours, theirs, lower_is_better=lower)
            rows.append(shared | names(first, second) | measured)
    adjust(rows)
    schema = {name: counted.schema[name] for name in (*CONDITIONS, *FIELD)} | MEASURED
    return pl.DataFrame(rows, schema=schema | {name: counted.schema[name] for name in DATA})


def demand(baseline: str | None, counted: pl.DataFrame) -> None:
    """Refuse a baseline of which there are no results, if there are others.

    Raises:
        MisuseError: It is such a one.
    """
    if baseline is not None and len(counted) and baseline not in counted["algorithm"]:
        raise MisuseError(
            f"there are no results of {baseline} to compare with; techniques that have some:"
            f" {', '.join(counted['algorithm'].unique().sort())}"
        )


def flip(compared: pl.DataFrame) -> pl.DataFrame:
    """Return comparisons the other way round: the second of each pair comes first."""
    return compared.with_columns(
        *swapped(SIDES | {"wins": "losses", "losses": "wins"}),
        difference=-pl.col("difference"),
        low=-pl.col("high"),
        high=-pl.col("low"),
    )


def swapped(columns: Mapping[str, str]) -> list[pl.Expr]:
    """Return columns, each with what is in another one now."""
    return [pl.col(other).alias(name) for name, other in columns.items()]


def competitors(counted: pl.DataFrame, hyperparameters: pl.DataFrame) -> pl.DataFrame:
    """Return a row per competitor and field, with the runs that were tested, by seed."""
    same = (*CONDITIONS, *FIELD, *DATA, *COMPETITOR)
    chosen = counted.filter(pl.col("score").is_not_null()).sort("seed", "run_id")
    field = chosen.group_by(same, maintain_order=True).agg(
        pl.col("run_id").first(), runs="run_id", seeds="seed"
    )
    labels = row_labels(field, hyperparameters, (*CONDITIONS, *ROW))
    return field.with_columns(labels).sort(*same[:-1], "settings", "settings_hash")


def pairs(
    group: Sequence[dict[str, Any]], baseline: str | None
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return which competitors are compared: all pairs, or every other one with the baseline's."""
    if baseline is None:
        return list(combinations(group, 2))
    fixed = [each for each in group if each["algorithm"] == baseline]
    others = [each for each in group if each["algorithm"] != baseline]
    return [(other, each) for each in fixed for other in others]


def names(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that name a pair."""
    return {
        "first": first["algorithm"],
        "first_settings": first["settings"],
        "second": second["algorithm"],
        "second_settings": second["settings"],
    }


def by_seed(
    competitor: Mapping[str, Any], tested: Mapping[tuple[str, str], Tested]
) -> dict[int, Tested]:
    """Return the test episodes of a competitor's runs, by seed."""
    found = {}
    for run_id, seed in zip(competitor["runs"], competitor["seeds"], strict=True):
        episodes = tested.get((run_id, competitor["eval_dataset"]))
        if episodes is not None:
            found[seed] = episodes
    return found


def met(
    first: Mapping[int, Tested], second: Mapping[int, Tested], *, lower_is_better: bool
) -> dict[str, float | None]:
    """Return how two competitors differ where both were tested: the columns of ``MEASURED``."""
    seeds = sorted(first.keys() & second.keys())
    ours, theirs = [[side[seed] for seed in seeds] for side in (first, second)]
    keys = common_keys([*ours, *theirs])
    if not len(keys):
        return {"runs": len(seeds), "episodes": 0, **centre(None), **signs(np.empty((1, 0)))}
    with np.errstate(invalid="ignore"):  # an infinite error less another one
        differences = matrix(ours, keys) - matrix(theirs, keys)
    interval = None
    if np.isfinite(differences).all():
        by_run = None
        if all(len(run.keys) == len(keys) for run in (*ours, *theirs)):
            both = zip(ours, theirs, strict=True)
            by_run = np.stack([our.resampled - their.resampled for our, their in both])
        interval = two_level_interval(differences, by_run)
    return {
        "runs": len(seeds),
        "episodes": len(keys),
        **centre(interval),
        **signs(differences, lower_is_better=lower_is_better),
    }


def centre(interval: Interval | None) -> dict[str, float | None]:
    """Return the columns of the difference, which is null where a score is not finite."""
    if interval is None:
        return {"difference": None, "low": None, "high": None}
    return {"difference": interval.centre, "low": interval.low, "high": interval.high}


def signs(differences: Scores, *, lower_is_better: bool = False) -> dict[str, float | None]:
    """Return wins, losses and ties of the first over episodes, and the p-value of the signed ranks.

    Episodes are rounded to 12 digits of the largest difference: what is equal must stay equal
    when runs are averaged. Zeros are ranked and then dropped (Pratt, 1959), for to drop them
    before the ranking makes two techniques that mostly agree look further apart.

    Args:
        differences: First - second, ``(runs, episodes)``.
        lower_is_better: Whether the first wins where the difference is negative.
    """
    with np.errstate(invalid="ignore"):  # both infinities in one column
        means = differences.mean(axis=0)
    known = np.isfinite(means)
    finite = means[known]
    scale = float(np.abs(differences[:, known]).max(initial=0.0)) or 1.0
    rounded = np.round(finite / scale, PRECISION)
    above, below = int((rounded > 0).sum()), int((rounded < 0).sum())
    wins, losses = (below, above) if lower_is_better else (above, below)
    return {
        "wins": wins,
        "losses": losses,
        "ties": len(rounded) - above - below,
        "nan_episodes": len(means) - len(finite),
        "p_value": None if len(finite) < max(1, len(means)) else signed_rank(rounded),
    }


def signed_rank(differences: Scores) -> float:
    """Return the two-sided p-value of Wilcoxon's signed rank test; 1 if all are zero.

    Exact for up to ``EXACT`` differences, whatever their ties: every choice of signs is counted,
    as scipy does, which takes seconds for it.
    """
    from scipy import stats  # type: ignore[import-untyped]  # slow to import, and used here alone

    if not differences.any():
        return 1.0
    if len(differences) > EXACT:
        return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)
    ranks = stats.rankdata(np.abs(differences))
    ranks, above = ranks[differences != 0], differences[differences != 0] > 0
    choices = np.arange(2 ** len(ranks))[:, np.newaxis] >> np.arange(len(ranks)) & 1
    sums, found = choices @ ranks, float(above @ ranks)
    smaller = min((sums <= found + HALF).mean(), (sums >= found - HALF).mean())
    return min(1.0, 2 * float(smaller))


def adjust(rows: Sequence[dict[str, Any]]) -> None:
    """Add Holm's p-values, a family for the pairs of each field."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(tuple(row[name] for name in (*CONDITIONS, *FIELD)), []).append(row)
    for family in families.values():
        for row, p in zip(family, holm([row["p_value"] for row in family]), strict=True):
            row["p_holm"] = p
