"""Rows of one technique: told apart by the hyperparameters in which they differ, and only those."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from mlbench.stats.labels import DIGITS

Order = tuple[tuple[int, float, int, str], ...]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A technique under one set of hyperparameters, in one column.

    Args:
        column: Where it stands.
        values: Its hyperparameters, as JSON.
        settings_hash: That of its runs.
    """

    column: Hashable
    values: Mapping[str, str]
    settings_hash: str


def labels(variants: Sequence[Variant]) -> list[tuple[str, Order]]:
    """Return what to call the row of each variant of one technique, and where it goes.

    Hyperparameters count that differ within a column: those that differ only from column to
    column, as the paper's do from 1 to 5 shots, make no rows. No two variants of one column are
    called the same.
    """
    columns: dict[Hashable, list[Variant]] = {}
    for variant in variants:
        columns.setdefault(variant.column, []).append(variant)
    names = sorted({name for rivals in columns.values() for name in differing_names(rivals)})
    told = [tuple((name, v.values.get(name, "none")) for name in names) for v in variants]
    met: dict[tuple[Hashable, str], int] = {}
    found = []
    for variant, pairs in zip(variants, told, strict=True):
        parts = [f"{name}={value}" for name, value in pairs]
        alike = [
            other
            for other, others in zip(variants, told, strict=True)
            if others == pairs and other.column == variant.column
        ]
        if len(alike) > 1:
            parts.append(f"settings={variant.settings_hash[:DIGITS]}")
        label = ", ".join(parts)
        count = met[variant.column, label] = met.get((variant.column, label), 0) + 1
        if count > 1:
            label += f" ({count})"
        found.append((label, (*(place(value) for _, value in pairs), place(label))))
    return found


def differing_names(rivals: Sequence[Variant]) -> set[str]:
    """Return the hyperparameters in which variants of one column differ."""
    names = {name for rival in rivals for name in rival.values}
    return {name for name in names if len({rival.values.get(name) for rival in rivals}) > 1}


def place(value: str) -> tuple[int, float, int, str]:
    """Return where a value goes among others: numbers by size, all else by length."""
    try:
        number = json.loads(value)
    except ValueError:
        number = None
    if isinstance(number, int | float) and not isinstance(number, bool):
        return 0, float(number), 0, ""
    return 1, 0.0, len(value), value
