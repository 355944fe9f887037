"""What may be looked at together: runs that share conditions, data sets and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlbench.report.datasets import dataset_rank
from mlbench.report.tables.words import conditions, stack
from mlbench.stats.paired import CONDITIONS


@dataclass(frozen=True)
class Field:
    """One choice.

    Args:
        values: What its rows have in common, by column.
        label: What tells it from other fields.
        conditions: What its runs share, in one line.
    """

    values: Mapping[str, Any]
    label: str
    conditions: str


def fields(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, Field]:
    """Return the fields of a frame by a text that stays the same when runs are added.

    Args:
        frame: With the conditions of runs, and the columns of ``names``.
        names: Columns that differ from field to field, besides the conditions.
    """
    keys = (*CONDITIONS, *names)
    found = sorted(frame.select(keys).unique(maintain_order=True).to_dicts(), key=order)
    alike: dict[str, list[dict[str, Any]]] = {}
    for values in found:
        alike.setdefault(place(values), []).append(values)
    return {
        repr(values): Field(
            values,
            f"{number}/{len(found)}  {label(values, alike[place(values)])}",
            said(values),
        )
        for number, values in enumerate(found, 1)
    }


def order(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return where a field goes: classification first, then by data sets, then by shots."""
    train = values["train_dataset"]
    datasets = dataset_rank(train, values.get("eval_dataset", train))
    return (values["kind"], *datasets, values["shots"])


def within(frame: pl.DataFrame, field: Field) -> pl.DataFrame:
    """Return the rows of a field, from a frame that has its columns or some of them."""
    known = [name for name in field.values if name in frame.columns]
    return frame.filter(*(pl.col(name).eq_missing(field.values[name]) for name in known))


def place(values: Mapping[str, Any]) -> str:
    """Return the data sets and shots of a field."""
    train, evaluated = values["train_dataset"], values.get("eval_dataset")
    datasets = train if evaluated in (None, train) else f"{train} → {evaluated}"
    ways = f"{values['ways']}-way " if values["ways"] else ""
    return f"{datasets}, {ways}{values['shots']}-shot"


def label(values: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> str:
    """Return a name: data sets and shots, and what tells it from others of the same."""
    forms = {
        "protocol": "{}",
        "budget": "{} budget",
        "precision": "{}",
        "machine": "{}",
        "stacked": "{} at once",
    }
    parts = [
        forms.get(name, f"{name.replace('_', ' ')} {{}}").format(value)
        for name, value in values.items()
        if len({other[name] for other in alike}) > 1
    ]
    return ", ".join([place(values), *parts])


def said(values: Mapping[str, Any]) -> str:
    """Return what the runs of a field share, and where they were timed if that counts."""
    timed = [values.get("machine", ""), stack(values.get("stacked"))]
    return "; ".join(filter(None, [conditions(pl.DataFrame([dict(values)])), *timed]))
