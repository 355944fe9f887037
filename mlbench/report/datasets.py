"""In which order data sets are shown, in tables, figures and on screens."""

from __future__ import annotations

import polars as pl

DATASETS = ("mini", "cub")
"""In the order of the paper's columns; others follow by name."""


def dataset_rank(train: str, evaluated: str) -> tuple[object, ...]:
    """Return where a pair of data sets goes: in-domain first, the paper's first, then by name."""
    places = [
        (DATASETS.index(name) if name in DATASETS else len(DATASETS), name)
        for name in (train, evaluated)
    ]
    return (train != evaluated, *places)


def in_place(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the order of their data sets, and as they were where these are the same.

    Args:
        frame: With ``train_dataset``, and ``eval_dataset`` where it differs.
    """
    keys = [name for name in ("train_dataset", "eval_dataset") if name in frame.columns]
    parts = frame.partition_by(keys, maintain_order=True, as_dict=True)
    ordered = sorted(parts, key=lambda pair: dataset_rank(pair[0], pair[-1]))
    return pl.concat([frame.clear(), *(parts[pair] for pair in ordered)])
