"""Blocks: what may be compared is drawn together, what may not stands apart under its own title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.datasets import in_place
from mlbench.report.figures.course import OF_RUNS
from mlbench.report.figures.theme import COLUMNS, page, panels
from mlbench.report.figures.wording import wrapped
from mlbench.report.material import Material
from mlbench.report.tables.shape import comparable
from mlbench.report.tables.words import conditions

BLOCK = (*OF_RUNS, "ways")  # training tasks may differ from shots to shots
MOST_BLOCKS = 4
MOST_SERIES = 20


class CrowdedError(MisuseError):
    """A panel has more lines than can be told apart."""


@dataclass(frozen=True)
class Block:
    """What is drawn of runs that may be compared.

    Args:
        charts: Its panels.
        said: Sentences: what is drawn, of how many, and what must be known of it.
        columns: How many panels are beside each other.
    """

    charts: Sequence[Any]
    said: Sequence[str]
    columns: int = COLUMNS


def figure(
    title: str,
    frame: pl.DataFrame,
    draw: Callable[[pl.DataFrame], Block],
    known: Sequence[str] = (),
) -> alt.VConcatChart:
    """Return a figure with a block for each setting that occurs in a frame.

    Args:
        title: Of the figure.
        frame: Rows with ``ways``, ``shots`` and the columns of ``SETTING``; not empty.
        draw: Draws the rows of one setting.
        known: Sentences on the whole figure, which stand with its first title.

    A block of more lines than can be told apart is left out, and told of, if there are others.

    Raises:
        MisuseError: There are more settings than one figure can show, or each is too crowded.
    """
    parts = list(comparable(frame))
    if len(parts) > MOST_BLOCKS:
        raise MisuseError(
            f"these runs have {len(parts)} different settings, which must not be mixed, and a"
            f" figure shows {MOST_BLOCKS} at most; choose some of {met(frame)}, as in --where"
            " \"protocol = 'corrected' and budget = 'quick'\""
        )
    drawn: list[tuple[Block, str]] = []
    crowded: list[tuple[CrowdedError, str]] = []
    for part in parts:
        shared = conditions(part)
        try:
            drawn.append((draw(part), f"{shared[0].upper()}{shared[1:]}."))
        except CrowdedError as err:
            crowded.append((err, shared))
    if not drawn:
        raise crowded[0][0]
    notes = [*known]
    notes += [f"Left out: {shared}; {err}." for err, shared in crowded]
    blocks = []
    for number, (block, shared) in enumerate(drawn):
        narrow = min(len(block.charts), block.columns) == 1
        told = [" ".join(block.said), shared, *(notes if number == 0 else ())]
        lines = [line for text in told for line in wrapped(text, narrow=narrow)]
        heading = alt.TitleParams(title, subtitle=lines)
        blocks.append(panels(block.charts, block.columns).properties(title=heading))
    return page(blocks)


def undrawn(every: pl.DataFrame, frame: pl.DataFrame, why: str) -> list[str]:
    """Return of which settings nothing is drawn, a sentence each.

    Args:
        every: Rows of all that might be drawn, as ``figure`` takes them.
        frame: Those that are.
        why: What is wrong with the others.
    """
    return [
        f"Left out: {conditions(part)}; {why}."
        for part in comparable(every)
        if part.join(frame, on=BLOCK, how="semi", nulls_equal=True).is_empty()
    ]


def split(part: pl.DataFrame, by: Sequence[str]) -> list[pl.DataFrame]:
    """Return the panels of a block: by data sets, then by what is left."""
    ordered = in_place(part.sort(*by, nulls_last=True, maintain_order=True))
    return ordered.partition_by(by, maintain_order=True)


def met(frame: pl.DataFrame) -> str:
    """Return the protocols, budgets and the like that occur, as conditions have them."""
    parts = []
    for name in ("kind", "protocol", "budget", "ways", "train_tasks", "queries", "precision"):
        values = frame[name].drop_nulls().unique().sort().to_list()
        if len(values) > 1:
            parts.append(f"{name} {', '.join(map(str, values))}")
    return "; ".join(parts) or "these"


def check_series(part: pl.DataFrame) -> None:
    """Refuse a panel of more lines than can be told apart.

    Raises:
        CrowdedError: There are more.
    """
    number = part["series"].n_unique()
    if number > MOST_SERIES:
        raise CrowdedError(
            f"{number} lines cannot be told apart, and a panel has {MOST_SERIES} at most; choose"
            " fewer techniques or settings, as in --where \"algorithm in ('maml', 'turtle')\""
        )


def something(frame: pl.DataFrame, material: Material, what: str, remedy: str) -> pl.DataFrame:
    """Return a frame that has rows.

    Args:
        frame: What would be drawn.
        material: What it was made of.
        what: What is missing, as in ``finished run on sine``.
        remedy: The command that makes it, without ``mlbench`` and ``--db``.

    Raises:
        NothingToDrawError: It has none.
    """
    if frame.is_empty():
        chosen = f" of which {material.where!r} holds" if material.where else ""
        raise NothingToDrawError(
            f"{material.paths.database} has no {what}{chosen}; make one: mlbench"
            f" {remedy}{material.paths.option}"
        )
    return frame
