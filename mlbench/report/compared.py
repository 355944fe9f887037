"""Techniques in pairs: their order, what tells one from the other, and a table in text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import polars as pl

from mlbench.report.datasets import in_place
from mlbench.report.frames import aligned
from mlbench.report.palette import in_order, look
from mlbench.report.tables.words import MISSING, conditions, number
from mlbench.stats.paired import CONDITIONS, DATA, FIELD, flip
from mlbench.store.records import Kind

SIDES = ("first", "second")
LEVEL = 0.05
ONE_RUN = "Where there is one run, the interval is over episodes alone."
MACHINE = ("machine", "stacked")
TOGETHER = (*CONDITIONS, *FIELD, *DATA)
HEADINGS = ("first", "second", "difference", "95 % interval", "p (Holm)", "better on", "runs")
RIGHT = (False, False, True, False, True, True, True)


def ordered(
    compared: pl.DataFrame,
    turn: Callable[[pl.DataFrame], pl.DataFrame] = flip,
    *,
    fixed: bool = False,
) -> pl.DataFrame:
    """Return comparisons in the order of tables, in a technique's own domain first.

    Args:
        compared: Of :func:`mlbench.stats.paired.comparisons`, or with ``turn`` of others.
        turn: Turns them round.
        fixed: Whether the second of each is the baseline and stays so; otherwise the later of two
            techniques comes first, as in TURTLE less MAML.
    """
    if compared.is_empty():
        return compared
    names = in_order([*compared["first"], *compared["second"]])
    places = {name: place for place, name in enumerate(names)}
    first, second = (pl.col(side).replace_strict(places, return_dtype=pl.Int64) for side in SIDES)
    if not fixed:
        turned = turn(compared.filter(first < second))
        compared = pl.concat([turned, compared.filter(first >= second)])
    there = [name for name in (*FIELD, *MACHINE) if name in compared.columns]
    pair = (first, second) if fixed else (-first, second)
    by_pair = compared.sort(*there, *pair, maintain_order=True)
    return in_place(by_pair).sort(*CONDITIONS, maintain_order=True)


def apart(row: dict[str, Any]) -> bool:
    """Return whether both the test and the interval tell a pair apart."""
    if row["p_holm"] is None or row["low"] is None:
        return False
    return bool(row["p_holm"] < LEVEL and (row["low"] > 0 or row["high"] < 0))


def signed(value: float | None, kind: Kind) -> str:
    """Return a difference with its sign."""
    if value is None:
        return "–"
    return ("+" if value > 0 else "−" if value < 0 else "") + number(abs(value), kind)


def p_text(p: float | None) -> str:
    """Return a p-value: three digits, or that it is small."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def pairs_text(compared: pl.DataFrame, *, width: int = 80) -> str:
    """Return comparisons as text: a table for what was trained and tested alike.

    Args:
        compared: Of :func:`mlbench.stats.paired.comparisons`, in order; at least one.
        width: Characters a line of what is said above a table.
    """
    told = [one_field(part, width) for part in compared.partition_by(TOGETHER, maintain_order=True)]
    meaning = (
        "Differences of means on identical test episodes by the same seeds, the first less the"
        " second, with 95 % intervals for other seeds and other episodes. p: Wilcoxon's"
        " signed-rank test over episodes, adjusted by Holm for the pairs of a table. Better on:"
        " the share of episodes on which the first is. *: both the interval and the test tell"
        " the two apart."
    )
    if (compared["runs"] == 1).any():
        meaning += f" {ONE_RUN}"
    told.append(textwrap.fill(meaning, width))
    return "\n\n".join(told)


def one_field(part: pl.DataFrame, width: int) -> str:
    """Return the pairs of one table."""
    shared = part.row(0, named=True)
    same = shared["train_dataset"] == shared["eval_dataset"]
    data = shared["train_dataset"] + ("" if same else f" -> {shared['eval_dataset']}")
    head = heading(part, data)
    if shared["incomplete"]:
        head.append(f"{shared['incomplete']}; not comparable with published numbers.")
    counts = sorted({count for count in part["episodes"].to_list() if count})
    fewest = f"{counts[0]} to " if len(counts) > 1 else ""
    episodes = f"{fewest}{counts[-1]} test episodes each." if counts else ""
    lines = [line for text in (*head, episodes) for line in textwrap.wrap(text, width)]
    rows = [pair(row) for row in part.iter_rows(named=True)]
    return "\n".join([*lines, "", *aligned([*zip(HEADINGS, *rows, strict=True)], RIGHT)])


def heading(part: pl.DataFrame, data: str) -> list[str]:
    """Return the first lines of a table: what it is about, and what its runs share."""
    shared = part.row(0, named=True)
    ways = "" if shared["ways"] is None else f"{shared['ways']}-way "
    return [f"{data}, {ways}{shared['shots']}-shot", f"{conditions(part)}."]


def pair(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a pair."""
    kind: Kind = row["kind"]
    ends = MISSING
    if row["low"] is not None:
        ends = f"[{signed(row['low'], kind)}, {signed(row['high'], kind)}]"
    return (
        *(name(row, side) for side in SIDES),
        signed(row["difference"], kind) + ("*" if apart(row) else ""),
        ends,
        p_text(row["p_holm"]),
        f"{row['wins'] / row['episodes']:.0%}" if row["episodes"] else MISSING,
        str(row["runs"]),
    )


def name(row: dict[str, Any], side: str) -> str:
    """Return what one of a pair is called."""
    settings = row[f"{side}_settings"]
    return look(row[side]).label + (f" {settings}" if settings else "")
