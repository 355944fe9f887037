"""Running times of techniques, and on what kind of machine they were taken."""

from __future__ import annotations

import polars as pl

from mlbench.stats.intervals import median_interval
from mlbench.stats.names import Statistic
from mlbench.stats.paired import DATA
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
