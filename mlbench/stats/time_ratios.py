"""Running times of two techniques that took turns on one machine, one divided by the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from mlbench.stats.intervals import median_interval
from mlbench.stats.labels import row_labels
from mlbench.stats.paired import CONDITIONS, SIDES, demand, names, pairs, swapped
from mlbench.stats.summary import ROW
from mlbench.stats.times import WORK, with_machines

RATIO: dict[str, type[pl.DataType]] = {
    "machine": pl.String,
    "stacked": pl.Int64,
    "first": pl.String,
    "first_settings": pl.String,
    "second": pl.String,
    "second_settings": pl.String,
    "pairs": pl.Int64,
    "apart": pl.Float64,
    "ratio": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "train_ratio": pl.Float64,
    "train_low": pl.Float64,
    "train_high": pl.Float64,
}
"""Columns of how the times of two techniques compare."""
ENDS = {"ratio": "ratio", "low": "high", "high": "low"}
"""What is where when a ratio and its interval are inverted."""


def time_ratios(
    times: pl.DataFrame,
    results: pl.DataFrame,
    hyperparameters: pl.DataFrame,
    *,
    baseline: str | None = None,
) -> pl.DataFrame:
    """Return how much longer the first of two techniques takes, by runs that took turns.

    Each run of the first is paired with a run of the second on the same machine, stacked as many
    at once, of the same seed, data and amount of work, and of those with the one nearest in start
    time: what slows a machine down for an hour then slows both. A run is in one pair at most, and
    none of a run that diverged. Ratios are pooled by their logarithms: turned round, a pair has the
    inverse.

    Args:
        times: The view ``running_times``, of the runs that count.
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        baseline: A technique; each other one is compared to it and to nothing else, and comes
            first. ``None`` for all pairs.

    Columns:
        kind, protocol, budget, precision: ``str``; train_tasks, validation_tasks, validate_every,
            test_tasks, queries: ``i64``.
        train_dataset: ``str``; ways, shots: ``i64``.
        machine: ``str``; :func:`.times.with_machines`.
        stacked: ``i64``; how many runs one program computed; 1 for runs alone.
        first, first_settings, second, second_settings: ``str``; as in ``comparisons``.
        pairs: ``i64``.
        apart: ``f64``; median time between the starts of a pair, in seconds.
        ratio, low, high: ``f64``; of whole runs, all phases together: the median over pairs of
            first / second, and its 95 % bootstrap interval, null of one pair.
        train_ratio, train_low, train_high: ``f64``; of meta-training alone. Null where a run of
            some pair does not train.

    Raises:
        MisuseError: There are results, but none of the baseline.
    """
    demand(baseline, results)
    own = results.filter(pl.col("eval_dataset") == pl.col("train_dataset"))
    wanted = (*CONDITIONS, "settings_hash", "train_fingerprint", "eval_fingerprint", "eval_dataset")
    added = ("started", "evals", *(name for name in wanted if name not in times.columns))
    tested_on = results.group_by("run_id").agg(evals=pl.col("eval_dataset").sort())
    timed = (
        with_machines(times)
        .drop_nulls("stacked")
        .filter(status="finished")
        .join(own.join(tested_on, on="run_id").select("run_id", *added), on="run_id")
        .sort("started", "run_id")
    )
    same = (*CONDITIONS, *WORK, "train_fingerprint", "evals", "machine", "stacked")
    competitor = (*same, "algorithm", "settings_hash", "eval_dataset", "eval_fingerprint")
    field = timed.group_by(competitor, maintain_order=True).agg(
        pl.col("run_id").first(),
        made=pl.struct("seed", "host", "started", "seconds", "train_seconds"),
    )
    # A competitor has one label, however many machines it ran on.
    kind = (*CONDITIONS, *ROW, "train_fingerprint", "eval_fingerprint", "settings_hash")
    kinds = field.unique(kind, keep="first", maintain_order=True).select("run_id", *kind)
    labels = row_labels(kinds, hyperparameters, (*CONDITIONS, *ROW))
    field = field.join(kinds.drop("run_id").with_columns(labels), on=kind, nulls_equal=True).sort(
        *CONDITIONS, *WORK, "algorithm", "settings", "settings_hash", "machine", "stacked"
    )
    rows = []
    for key, group in field.group_by(same, maintain_order=True):
        shared = dict(zip(same, key, strict=True))
        for first, second in pairs(group.to_dicts(), baseline):
            found = turns(first["made"], second["made"])
            if found:
                rows.append(shared | names(first, second) | ratios(found))
    schema = {name: timed.schema[name] for name in (*CONDITIONS, *WORK)} | RATIO
    return pl.DataFrame(rows, schema=schema)


def invert(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ratios of times the other way round: the second of each pair comes first."""
    inverse = [
        (1 / pl.col(part + other)).alias(part + name)
        for part in ("", "train_")
        for name, other in ENDS.items()
    ]
    return frame.with_columns(*swapped(SIDES), *inverse)


Made: TypeAlias = Mapping[str, Any]
"""A run: its seed and host, when it started, and the seconds that it took."""


def ratios(found: Sequence[tuple[Made, Made]]) -> dict[str, Any]:
    """Return how the times of two competitors compare, by runs that were paired."""
    gaps = sorted(apart(ours, theirs) for ours, theirs in found)
    whole, training = quotient(found, "seconds"), quotient(found, "train_seconds")
    return {
        "pairs": len(found),
        "apart": (gaps[(len(gaps) - 1) // 2] + gaps[len(gaps) // 2]) / 2,
        **dict(zip(ENDS, whole, strict=True)),
        **{f"train_{name}": value for name, value in zip(ENDS, training, strict=True)},
    }


def quotient(found: Sequence[tuple[Made, Made]], of: str) -> tuple[float | None, ...]:
    """Return the median ratio of seconds and the ends of its interval; ``None`` for what has none.

    Args:
        found: Pairs of runs.
        of: Which seconds.
    """
    if not all(run[of] for pair in found for run in pair):
        return None, None, None
    logarithms = median_interval([math.log(ours[of] / theirs[of]) for ours, theirs in found])
    return tuple(
        None if value is None else math.exp(value)
        for value in (logarithms.centre, logarithms.low, logarithms.high)
    )


def turns(first: Sequence[Made], second: Sequence[Made]) -> list[tuple[Made, Made]]:
    """Return which runs of one seed are paired: those on one host first, then the nearest ones."""
    possible = [
        (ours["host"] != theirs["host"], apart(ours, theirs), place, other)
        for place, ours in enumerate(first)
        for other, theirs in enumerate(second)
        if ours["seed"] == theirs["seed"] and min(ours["seconds"], theirs["seconds"]) > 0
    ]
    taken: tuple[set[int], set[int]] = set(), set()
    found = []
    for _, _, place, other in sorted(possible):
        if place not in taken[0] and other not in taken[1]:
            taken[0].add(place)
            taken[1].add(other)
            found.append((first[place], second[other]))
    return found


def apart(ours: Made, theirs: Made) -> float:
    """Return the seconds from the start of one run to that of the other."""
    seconds: float = abs((ours["started"] - theirs["started"]).total_seconds())
    return seconds
