"""All pairs of one field, and the episodes behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlbench.report.material import Material
from mlbench.report.palette import LOOKS, in_order, look
from mlbench.stats.paired import CONDITIONS, FIELD, comparisons, competitors, flip
from mlbench.tui.fields import Field, fields, within
from mlbench.tui.pair_panel import Pair

Name = tuple[str, str]  # a competitor: technique, and its settings where they tell it from others
NAMES = ("first", "first_settings"), ("second", "second_settings")


@dataclass(frozen=True)
class Pairs:
    """The comparisons of one field.

    Args:
        compared: A row per pair, the first being first in the fixed order of techniques.
        runs: The runs of each competitor, by seed.
        scores: A row per test episode, a column per run.
    """

    compared: pl.DataFrame
    runs: Mapping[Name, Mapping[int, str]]
    scores: pl.DataFrame

    @property
    def names(self) -> list[Name]:
        """Return all competitors in the fixed order."""
        return sorted(self.runs, key=place)

    def pair(self, row: Mapping[str, Any]) -> Pair:
        """Return a row with the differences of its episodes: those that all its runs met."""
        ours, theirs = (self.runs[row[technique], row[settings]] for technique, settings in NAMES)
        seeds = sorted(ours.keys() & theirs.keys() if row["episodes"] else ())
        sides = [[runs[seed] for seed in seeds] for runs in (ours, theirs)]
        differences: list[float] = []
        if seeds:
            met = self.scores.select({*sides[0], *sides[1]}).drop_nulls()
            first, second = (pl.mean_horizontal(side) for side in sides)
            differences = met.select(first - second).to_series().to_list()
        return Pair(row, differences, len(self.compared.filter(pl.col("p_value").is_not_null())))


def comparable(material: Material) -> dict[str, Field]:
    """Return the fields in which there are two competitors or more."""
    keys = (*CONDITIONS, *FIELD)
    tested = material.counted.filter(pl.col("score").is_not_null())
    competitor = pl.struct("algorithm", "settings_hash")
    return fields(tested.filter(competitor.n_unique().over(keys) > 1), FIELD)


def pairs_of(material: Material, field: Field) -> Pairs:
    """Return all pairs of a field."""
    counted = within(material.counted, field)
    runs = counted["run_id"].to_list()
    episodes = material.test_episodes.filter(
        pl.col("run_id").is_in(runs), eval_dataset=field.values["eval_dataset"]
    )
    compared = comparisons(counted, episodes, material.hyperparameters)
    found = competitors(counted, material.hyperparameters).iter_rows(named=True)
    return Pairs(
        in_fixed_order(compared),
        {
            (row["algorithm"], row["settings"]): dict(zip(row["seeds"], row["runs"], strict=True))
            for row in found
        },
        episodes.pivot("run_id", index="episode_key", values="score", aggregate_function="first"),
    )


def in_fixed_order(compared: pl.DataFrame) -> pl.DataFrame:
    """Return comparisons with pairs turned and sorted as the techniques are everywhere."""
    ranks = {
        name: rank for rank, name in enumerate(in_order([*compared["first"], *compared["second"]]))
    }
    first, second = (
        pl.col(side).replace_strict(ranks, return_dtype=pl.Int64) for side in ("first", "second")
    )
    turned = pl.concat([compared.filter(first <= second), flip(compared.filter(first > second))])
    return turned.sort(first, "first_settings", second, "second_settings")


def chosen(compared: pl.DataFrame, first: Name | None, second: Name | None) -> pl.DataFrame:
    """Return the pairs of a competitor with all others, or with one, turned so that it is first.

    Args:
        compared: All pairs.
        first: Whom the pairs are to begin with; ``None`` for anyone.
        second: Whom they are to end with; likewise.
    """

    def named(frame: pl.DataFrame) -> pl.DataFrame:
        for name, (technique, settings) in zip((first, second), NAMES, strict=True):
            if name is not None:
                frame = frame.filter(pl.col(technique) == name[0], pl.col(settings) == name[1])
        return frame

    if first is None and second is None:
        return compared
    return pl.concat([named(compared), named(flip(compared))])


def place(name: Name) -> tuple[int, Name]:
    """Return where a competitor stands in the fixed order."""
    return in_order([name[0], *LOOKS]).index(name[0]), name


def label(name: Name) -> str:
    """Return a competitor as people write it."""
    return f"{look(name[0]).label} {name[1]}".strip()
