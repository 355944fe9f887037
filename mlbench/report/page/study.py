"""What every section of a page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from mlbench.report.material import Material
from mlbench.report.page.markup import Html
from mlbench.report.page.popups import Popups
from mlbench.report.page.sql import bracketed, chosen, filled, matching
from mlbench.store import queries


@dataclass(frozen=True)
class Study:
    """The runs that a page is about, and the boxes behind its numbers.

    Args:
        material: The runs.
        popups: The boxes, to which sections add theirs.
        paper: Whether the paper's numbers are printed beside.
    """

    material: Material
    popups: Popups
    paper: bool = False

    @cached_property
    def by_kind(self) -> dict[str, Material]:
        """Return the runs of classification and those of regression, each as far as there are."""
        whole = self.material
        also = "" if whole.where is None else f"{bracketed(whole.where)} AND "
        return {
            kind: Material(
                whole.paths, where=f"{also}{matching(kind=kind)}", statistic=whole.statistic
            )
            for kind in whole.runs["kind"].unique().sort()
        }

    def ask(self, text: str) -> pl.DataFrame:
        """Return the answer of a query with the parameter ``$runs`` over the chosen runs."""
        runs = self.material.runs["run_id"].to_list()
        return queries.ask(self.material.paths, text, runs=runs)

    def query(self, text: str) -> str:
        """Return the same query as a reader can run it."""
        return filled(text, runs=chosen(self.material))


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading of its own.

    Args:
        anchor: Its name in links.
        heading: As the table of contents has it.
        body: What is under the heading.
    """

    anchor: str
    heading: str
    body: Html


def plural(count: int, noun: str) -> str:
    """Return ``1 run`` or ``2 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}".replace(",", " ")


def shown(value: Any) -> str:
    """Return a value as a cell has it: a dash for nothing."""
    return "–" if value is None else str(value)
