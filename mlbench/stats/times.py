"""Running times: of techniques alone, and of two by turns on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import polars as pl

from mlbench.stats.intervals import median_interval
from mlbench.stats.labels import row_labels
from mlbench.stats.names import Statistic
from mlbench.stats.paired import CONDITIONS, DATA
from mlbench.stats.summary import ROW, SAME, SETTING, summarise

PHASES = ("train_seconds", "validation_seconds", "test_seconds")
TIMED: dict[str, type[pl.DataType]] = {
    "machine": pl.String,
    "stacked": pl.Int64,
    "runs": pl.Int64,
    "diverged": pl.Int64,
    "seconds": pl.Float64,
    "seconds_low": pl.Float64,
    "seconds_high": pl.Float64,
    **dict.fromkeys(PHASES, pl.Float64),
}
"""Columns of the times of runs that are pooled."""
POOLED = (*SETTING, *ROW, "settings", *DATA, "settings_hash")
CHOSEN = {"compiled": "compiled", "tf32": "TF32", "deterministic": "deterministic"}
"""What else decides how fast a machine is, if it was asked for, and what it is called."""
NATIVE = ", native"
"""What follows an engine's name where :mod:`mlbench.native` ran an update rule's network."""
WORK = ("train_dataset", "ways", "shots")
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
}
"""Columns of how the times of two techniques compare."""


def summarise_times(
    times: pl.DataFrame,
    results: pl.DataFrame,
    hyperparameters: pl.DataFrame,
    statistic: Statistic | None = None,
    episodes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the median time over runs beside the score, a row for what is pooled and machine.

    Runs are pooled as in :func:`.summary.summarise`, and then only if they ran on the same
    machine, stacked as many at once. Those that diverged stopped early, so their times are left
    out and counted apart; those of :func:`unequal_stacks` are left out.

    Args:
        times: The view ``running_times``, of the runs that count.
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        statistic: Of the score; ``None`` for that of each run's protocol.
        episodes: For the statistic ``two-level``: the test episodes of the runs that count.

    Columns:
        kind to settings_hash: As in ``summarise``, ``eval_dataset`` being that of training.
        machine: ``str``; :func:`with_machines`.
        stacked: ``i64``; how many runs one program computed; 1 for runs alone.
        runs: ``i64``; runs that are timed.
        diverged: ``i64``; runs on this machine that are not, because they stopped early.
        seconds, seconds_low, seconds_high: ``f64``; median and 95 % bootstrap interval of the wall
            time of a run, all phases together. Null where all diverged.
        train_seconds, validation_seconds, test_seconds: ``f64``; medians over runs.
        score, low, high: ``f64``; the statistic over all runs, whatever machine they ran on, and
            stacked or alone.
    """
    own = results.filter(pl.col("eval_dataset") == pl.col("train_dataset"))
    summary = summarise(own, hyperparameters, statistic, episodes)
    timed = (
        with_machines(times)
        .drop_nulls("stacked")
        .join(
            own.select("run_id", *(name for name in SAME if name not in times.columns)), on="run_id"
        )
    )
    if statistic is not None:
        timed = timed.with_columns(pl.lit(statistic).alias("statistic"))
    keys = (*SAME, "machine", "stacked")
    rows = [
        dict(zip(keys, key, strict=True)) | seconds_of(group)
        for key, group in timed.group_by(keys, maintain_order=True)
    ]
    schema = {name: summary.schema[name] for name in SAME} | TIMED
    scores = summary.select(*SAME, "settings", "score", "low", "high")
    return (
        pl.DataFrame(rows, schema=schema)
        .join(scores, on=SAME, nulls_equal=True)
        .select(*POOLED, *TIMED, "score", "low", "high")
        .sort(*SETTING, *WORK, "algorithm", "settings", "settings_hash", "machine", "stacked")
    )


def seconds_of(group: pl.DataFrame) -> dict[str, float | None]:
    """Return the medians of the runs that went all the way, and how many did not."""
    whole = group.filter(status="finished")
    interval = median_interval(whole["seconds"].to_list()) if len(whole) else None
    medians = {phase: whole.select(pl.col(phase).median()).item() for phase in PHASES}
    return {
        "runs": len(whole),
        "diverged": len(group) - len(whole),
        "seconds": None if interval is None else interval.centre,
        "seconds_low": None if interval is None else interval.low,
        "seconds_high": None if interval is None else interval.high,
        **medians,
    }


def time_ratios(
    times: pl.DataFrame, results: pl.DataFrame, hyperparameters: pl.DataFrame
) -> pl.DataFrame:
    """Return how much longer the first of two techniques takes, by runs that took turns.

    Each run of the first is paired with a run of the second on the same machine, stacked as many
    at once, of the same seed, data and amount of work, and of those with the one nearest in start
    time: what slows a machine down for an hour then slows both. A run is in one pair at most, and
    none of a run that diverged.

    Args:
        times: The view ``running_times``, of the runs that count.
        results: The view ``results``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.

    Columns:
        kind, protocol, budget, precision: ``str``; train_tasks, validation_tasks, validate_every,
            test_tasks, queries: ``i64``.
        train_dataset: ``str``; ways, shots: ``i64``.
        machine: ``str``; :func:`with_machines`.
        stacked: ``i64``; how many runs one program computed; 1 for runs alone.
        first, first_settings, second, second_settings: ``str``; as in ``comparisons``.
        pairs: ``i64``.
        apart: ``f64``; median time between the starts of a pair, in seconds.
        ratio, low, high: ``f64``; median over pairs of first / second, and its 95 % bootstrap
            interval, null of one pair.
    """
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
        pl.col("run_id").first(), made=pl.struct("seed", "host", "started", "seconds")
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
        for first, second in combinations(group.to_dicts(), 2):
            row = ratio(first, second)
            if row is not None:
                rows.append(shared | row)
    schema = {name: timed.schema[name] for name in (*CONDITIONS, *WORK)} | RATIO
    return pl.DataFrame(rows, schema=schema)


def ratio(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how the times of two competitors compare, or ``None`` if no two runs do."""
    found = turns(first["made"], second["made"])
    if not found:
        return None
    interval = median_interval([ours["seconds"] / theirs["seconds"] for ours, theirs in found])
    gaps = sorted(apart(ours, theirs) for ours, theirs in found)
    return {
        "first": first["algorithm"],
        "first_settings": first["settings"],
        "second": second["algorithm"],
        "second_settings": second["settings"],
        "pairs": len(found),
        "apart": (gaps[(len(gaps) - 1) // 2] + gaps[len(gaps) // 2]) / 2,
        "ratio": interval.centre,
        "low": interval.low,
        "high": interval.high,
    }


def turns(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return which runs of one seed are paired: those on one host first, then the nearest ones."""
    possible = [
        (ours["host"] != theirs["host"], apart(ours, theirs), place, other)
        for place, ours in enumerate(first)
        for other, theirs in enumerate(second)
        if ours["seed"] == theirs["seed"] and theirs["seconds"] > 0
    ]
    taken: tuple[set[int], set[int]] = set(), set()
    found = []
    for _, _, place, other in sorted(possible):
        if place not in taken[0] and other not in taken[1]:
            taken[0].add(place)
            taken[1].add(other)
            found.append((first[place], second[other]))
    return found


def apart(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    """Return the seconds from the start of one run to that of the other."""
    seconds: float = abs((ours["started"] - theirs["started"]).total_seconds())
    return seconds


def with_machines(times: pl.DataFrame) -> pl.DataFrame:
    """Return times with a column ``machine``, such as ``cpu: AMD EPYC 9B14, 1 thread, loop``.

    Equal texts stand for equal kinds of device and model, as many threads and one engine, compiled
    or not, and on a GPU for equal arithmetic; nodes of one kind in a cluster are one machine.
    Native networks are those of a technique's update rule, and part of it where it has them: only
    of techniques that ran both ways on a machine, the runs without are told apart.
    """
    kind = pl.col("device").str.replace(r":\d+$", "")
    on_cpu = kind == "cpu"
    model = pl.when(on_cpu).then("cpu").otherwise("gpu").fill_null("unknown")
    threads = pl.when(pl.col("threads") == 1).then(pl.lit(" thread")).otherwise(pl.lit(" threads"))
    chosen = [
        pl.when(name).then(pl.lit(f", {word}")).otherwise(pl.lit(""))
        for name, word in CHOSEN.items()
    ]
    text = pl.concat_str(
        kind,
        pl.lit(": "),
        model,
        pl.lit(", "),
        "threads",
        threads,
        pl.lit(", "),
        pl.col("engine").str.strip_suffix(NATIVE),
        *chosen,
    )
    native = pl.col("engine").str.ends_with(NATIVE).fill_null(value=False)
    apart = native.any().over("algorithm", "machine") & ~native
    return times.with_columns(machine=text).with_columns(
        machine=pl.when(apart).then(pl.col("machine") + ", not native").otherwise("machine")
    )


def unequal_stacks(times: pl.DataFrame) -> int:
    """Return how many runs have no time to tell, because their attempts were stacked unequally."""
    return times["stacked"].null_count()
