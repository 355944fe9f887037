"""In what rows of a table differ that would otherwise look the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import polars as pl

from mlbench.stats.settings import differing, settings_of

DIGITS = 8  # of a hash: enough to tell a handful apart
SHORT = 12  # characters that need no shortening
DATA = {"eval_dataset": "eval_fingerprint", "train_dataset": "train_fingerprint"}


def row_labels(
    frame: pl.DataFrame, hyperparameters: pl.DataFrame, alike: Sequence[str]
) -> pl.Series:
    """Return for each row in what it differs from those that a table would show alike.

    Args:
        frame: With ``run_id`` (of any run of the row), ``train_dataset``, ``eval_dataset``, their
            fingerprints and ``settings_hash``.
        hyperparameters: ``run_id``, ``part``, ``name`` and ``value`` of these runs.
        alike: The columns in which rows are equal that would look the same.
    """
    values = settings_of(hyperparameters)
    rows = list(frame.iter_rows(named=True))
    families: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault(tuple(row[name] for name in alike), []).append(place)
    texts = [""] * len(rows)
    for places in families.values():
        if len(places) > 1:
            family = [rows[place] for place in places]
            settings = [values.get(row["run_id"], {}) for row in family]
            for place, text in zip(places, told_apart(family, settings), strict=True):
                texts[place] = text
    return pl.Series("settings", texts, dtype=pl.String)


def told_apart(
    family: Sequence[Mapping[str, Any]], settings: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return in what each row differs from the others, or its settings' hash where that is all."""
    names = {column: short_names(str(row[column]) for row in family) for column in DATA.values()}
    told = [
        {
            **values,
            **{
                f"data of {row[dataset]}": names[column][str(row[column])]
                for dataset, column in DATA.items()
            },
        }
        for row, values in zip(family, settings, strict=True)
    ]
    texts = []
    for row, own in zip(family, told, strict=True):
        text = differing(own, told)
        alike = told.count(own) > 1
        by_hash = f"{text}, settings={row['settings_hash'][:DIGITS]}".lstrip(", ")
        texts.append(by_hash if alike else text)
    return texts


def short_names(fingerprints: Iterable[str]) -> dict[str, str]:
    """Return a short name for each fingerprint, such as ``3f81c09a``; unequal ones stay so.

    A hash gives its first digits, and after an ``@`` the shape that its images were brought to if
    that is the difference. What is no hash is named by one, unless it is short itself.
    """
    known = set(fingerprints)
    for shorten in (first_digits, digits_and_shape):
        names = {fingerprint: shorten(fingerprint) for fingerprint in known}
        if len(set(names.values())) == len(known):
            return names
    return {fingerprint: digest(fingerprint) for fingerprint in known}


def first_digits(fingerprint: str) -> str:
    """Return the first digits of a hash."""
    if len(fingerprint) <= SHORT:
        return fingerprint
    start = fingerprint[:DIGITS]
    return start if set(start) <= set("0123456789abcdef") else digest(fingerprint)


def digits_and_shape(fingerprint: str) -> str:
    """Return the first digits of a hash, and the shape after it."""
    _, at, rest = fingerprint.partition("@")
    return first_digits(fingerprint) + at + rest.partition(",")[0]


def digest(fingerprint: str) -> str:
    """Return the first digits of a hash of all of it."""
    return sha256(fingerprint.encode()).hexdigest()[:DIGITS]
