"""What figures say in words: titles of panels and axes, and what must be known of the points."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import polars as pl

from mlbench.stats.caveats import caveat, stacking
from mlbench.stats.names import PHRASES, Statistic

NARROW, WIDE = 90, 145  # characters of a subtitle above one panel, above two
SCORES = {"classification": "accuracy", "regression": "mean squared error"}


def axis(kind: str, datasets: str | None, split: str = "test") -> str:
    """Return the title of an axis of scores on some data sets, or on whatever a panel is about."""
    return f"{SCORES[kind]} on {f'{datasets} ' if datasets else ''}{split} episodes"


def task(ways: int | None, shots: int) -> str:
    """Return ``5-way 1-shot``, or ``5-shot`` for regression."""
    return f"{shots}-shot" if ways is None else f"{ways}-way {shots}-shot"


def route(row: Mapping[str, Any]) -> str:
    """Return ``mini → cub``, or ``mini`` where it is tested on what it was trained on."""
    train, tested = row["train_dataset"], row.get("eval_dataset", row["train_dataset"])
    return train if train == tested else f"{train} → {tested}"


def panel_title(row: Mapping[str, Any]) -> str:
    """Return what a panel is about: data sets, ways and shots."""
    return f"{route(row)}, {task(row['ways'], row['shots'])}"


def pooled(statistic: Statistic, runs: pl.Series) -> str:
    """Return what a point is, and on how many runs it rests."""
    if runs.max() == 1:
        return "One run each, which has no interval."
    phrase = PHRASES[statistic]
    return f"{phrase[0].upper()}{phrase[1:]}; {span(runs, 'run')} each."


def span(counts: pl.Series, noun: str) -> str:
    """Return ``5 runs`` or ``1 to 5 runs``, with thousands apart."""
    low, high = (int(count) for count in (counts.min() or 0, counts.max() or 0))  # type: ignore[arg-type]
    nouns = noun + ("" if high == 1 else "s")
    return f"{high:,} {nouns}" if low == high else f"{low:,} to {high:,} {nouns}"


def notes(part: pl.DataFrame) -> list[str]:
    """Return what must be known of pooled rows: few runs, none, and those that diverged.

    Args:
        part: Rows with ``series``, ``statistic``, ``runs``, ``score`` and ``low``; ``diverged``
            ``incomplete``, and ``stacked_runs`` with ``precision``, where these are known.
    """
    found = []
    drawn = part.filter(pl.col("score").is_finite())
    if (drawn["runs"] == 1).any() and not (drawn["runs"] == 1).all():
        found.append("What has no interval is a single run.")
    with_interval = drawn.filter(pl.col("low").is_not_null(), pl.col("runs") > 1)
    small = with_interval.select("statistic", "runs").unique().sort("statistic", "runs")
    told = [caveat(statistic, runs) for statistic, runs in small.iter_rows()]
    found.extend(f"{each}." for each in dict.fromkeys(told) if each)
    absent = sorted(set(part["series"]) - set(drawn["series"]))
    if absent:
        found.append(f"Not drawn, having no finite score: {', '.join(absent)}.")
    number = len(part.filter(~pl.col("series").is_in(absent))) - len(drawn)
    if number:
        points = "1 point" if number == 1 else f"{number} points"
        found.append(f"{points} not drawn for want of a finite score.")
    if "trimmed" in part.columns and part["trimmed"].sum():
        runs = part["trimmed"].sum()
        found.append(f"{runs} of all runs dropped: beyond 1.5 interquartile ranges, or not finite.")
    if "diverged" in part.columns:
        found.extend(divergence(part))
    if "stacked_runs" in part.columns:
        found.extend(stackings(part))
    if "incomplete" in part.columns:
        found.extend(
            f"{text}; not comparable with published numbers."
            for text in part["incomplete"].drop_nulls().unique().sort()
        )
    return found


def divergence(part: pl.DataFrame) -> list[str]:
    """Return of which series runs diverged."""
    diverged = part.filter(pl.col("diverged") > 0)
    names = diverged["series"].unique(maintain_order=True).to_list()
    return [f"Runs diverged and count as they were tested: {', '.join(names)}."] if names else []


def stackings(part: pl.DataFrame) -> list[str]:
    """Return what it means for the scores of rows that runs were computed stacked."""
    counted = part.select("stacked_runs", "runs", "precision").unique(maintain_order=True)
    told = (stacking(*row) for row in counted.iter_rows())
    return [f"{text[0].upper()}{text[1:]}." for text in dict.fromkeys(told) if text]


def wrapped(text: str, *, narrow: bool) -> list[str]:
    """Return the lines of a subtitle, as wide as one panel or two."""
    return textwrap.wrap(text, NARROW if narrow else WIDE, break_on_hyphens=False)
