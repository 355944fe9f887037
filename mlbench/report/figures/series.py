"""Series: the techniques of a figure under the settings in which they differ, and their looks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlbench.report.material import Material
from mlbench.report.palette import Shape, in_order, look
from mlbench.report.tables.variants import Variant, labels
from mlbench.stats.labels import DIGITS
from mlbench.stats.settings import settings_of

DASHES = ((), (6, 3), (2, 2), (8, 3, 2, 3), (1, 3), (10, 4))
"""Dashes of a technique's first settings, of its second and so on; hollow ones begin dashed."""
LIGHTEST = 0.5  # of the way to white, for the last of many settings of one technique
SPOT = ("train_dataset", "eval_dataset", "ways", "shots")
"""Rows of one technique that have these in common must be told apart by their settings."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A technique under one set of settings, as a figure shows it.

    Args:
        label: What the legend says.
        colour: ``#rrggbb``.
        shape: Of its points.
        hollow: Whether these are outlined only.
        dash: Lengths of dash and gap in px; empty for a solid line.
    """

    label: str
    colour: str
    shape: Shape
    hollow: bool
    dash: tuple[int, ...]


def with_series(
    frame: pl.DataFrame, material: Material, *, spot: Sequence[str] = SPOT
) -> tuple[pl.DataFrame, list[Series]]:
    """Return rows with ``series``, the label of what each is of, and the series in their order.

    Further settings of one technique are lighter and dashed otherwise, but keep its hue and shape.

    Args:
        frame: Rows of one block, with ``algorithm``, ``run_id`` (of any run of the row),
            ``settings_hash`` and the columns of ``spot``; fingerprints of data if there are any.
        material: What they are of.
        spot: Columns of what would be drawn in the same place.
    """
    settings = settings_of(material.hyperparameters)
    data = [name for name in ("train_fingerprint", "eval_fingerprint") if name in frame.columns]
    same = list(dict.fromkeys(["algorithm", *spot, "settings_hash", *data]))
    variety = frame.unique(same, keep="first", maintain_order=True)
    rows = list(variety.iter_rows(named=True))
    texts = [""] * len(rows)
    found = []
    for algorithm in in_order(frame["algorithm"]):
        own = [place for place, row in enumerate(rows) if row["algorithm"] == algorithm]
        variants = [
            Variant(
                column=tuple(rows[place][name] for name in spot),
                values=told_by(rows[place], settings),
                settings_hash=rows[place]["settings_hash"],
            )
            for place in own
        ]
        named = labels(variants)
        for place, (text, _) in zip(own, named, strict=True):
            texts[place] = series_label(algorithm, text)
        orders = {series_label(algorithm, text): order for text, order in reversed(named)}
        found.extend(shades(algorithm, sorted(orders, key=lambda label: orders[label])))
    named_rows = variety.select(same).with_columns(pl.Series("series", texts, dtype=pl.String))
    joined = frame.join(named_rows, on=same, nulls_equal=True, maintain_order="left")
    return joined, found


def told_by(row: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return everything that may tell a row from its like: its settings and its data."""
    told = dict(settings.get(row["run_id"], {}))
    for role in ("eval", "train"):
        if row.get(f"{role}_fingerprint"):
            told[f"data of {row[f'{role}_dataset']}"] = row[f"{role}_fingerprint"][:DIGITS]
    return told


def series_label(algorithm: str, settings: str) -> str:
    """Return a technique as papers write it, with its settings in brackets."""
    return look(algorithm).label + (f" ({short(settings)})" if settings else "")


def short(settings: str) -> str:
    """Return settings as people write them: ``hidden=3×20`` for ``hidden=[20, 20, 20]``."""
    return re.sub(r"\[[^\[\]]*\]", lambda found: short_list(found.group()), settings)


def short_list(text: str) -> str:
    """Return a list of equal numbers as ``3×20``, any other as it is."""
    try:
        values = json.loads(text)
    except ValueError:
        return text  # part of a name, which may hold anything
    alike = bool(values) and all(value == values[0] for value in values)
    return f"{len(values)}×{values[0]}" if alike else text


def shades(algorithm: str, names: Sequence[str]) -> list[Series]:
    """Return the series of one technique."""
    base = look(algorithm)
    return [
        Series(
            label=label,
            colour=lighter(base.colour, LIGHTEST * number / max(2, len(names) - 1)),
            shape=base.shape,
            hollow=base.hollow,
            dash=DASHES[(number + base.hollow) % len(DASHES)],
        )
        for number, label in enumerate(names)
    ]


def lighter(colour: str, share: float) -> str:
    """Return ``#rrggbb`` moved towards white by a share of the way."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(c + (255 - c) * share):02x}" for c in channels)
