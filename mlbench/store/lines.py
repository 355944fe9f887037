"""Records as lines of JSON, and lines as records: what does not fit is refused, with a reason."""

from __future__ import annotations

import builtins
import json
import types
import typing
from array import array
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints

from mlbench.store.records import (
    EPISODE_COLUMNS,
    FINAL_STATUSES,
    PHASES,
    UNSAID,
    Episodes,
    PhaseTime,
    ProvenanceRecord,
    Record,
    SpecRecord,
    Started,
    StatusChange,
    Validated,
)

RECORDS: dict[str, type[Record]] = {record.type: record for record in get_args(Record)}
FIELDS = {record: tuple(field.name for field in fields(record)) for record in get_args(Record)}
MEASURES = tuple(name for name, code in EPISODE_COLUMNS.items() if code == "d")
SPEC_TYPES = get_type_hints(SpecRecord)
PROVENANCE_TYPES = get_type_hints(ProvenanceRecord)
STARTED_TYPES: dict[str, Any] = {
    "run_id": str,
    "attempt": int,
    "kind": str,
    "spec_hash": str,
    "incomplete": dict[str, str],
}
encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


FEW = 40  # numbers that Python writes faster than polars begins to


def to_line(record: Record) -> bytes:
    """Return a record as one line of JSON; NaN and Infinity are written as Python has them."""
    measures = MEASURES if isinstance(record, Episodes) else ()
    values = {"type": record.type}
    for name in FIELDS[type(record)]:
        if name not in measures:
            values[name] = getattr(record, name)
    text = encode(values)
    for name in measures:
        text = f'{text[:-1]},"{name}":[{written(getattr(record, name))}]}}'
    return text.encode(errors="replace") + b"\n"  # half a character becomes "?"


def written(numbers: Sequence[float]) -> str:
    """Return numbers with commas between them, each the shortest text that reads as itself.

    Python takes most of a microsecond for each, which would be most of what recording costs, and
    polars a tenth of that; but it has other words for what is not finite.
    """
    if len(numbers) >= FEW and isfinite(sum(numbers)):
        import polars as pl  # slow to import, and a run begins sooner without

        return ",".join(pl.Series(numbers, dtype=pl.Float64).cast(pl.String).to_list())
    return encode(numbers)[1:-1]


def from_line(line: bytes) -> Record:
    """Return the record of one line.

    Raises:
        ValueError: The line is no record; the message says why, in a few words.
    """
    try:
        values = json.loads(line)
        if b"\\u" in line and b"\\ud" in line.lower():
            encode(values).encode()  # refuses half a character, as the database would
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    name = values.get("type") if isinstance(values, dict) else None
    record_type = RECORDS.get(name) if isinstance(name, str) else None
    if record_type is None:
        raise ValueError("it is no record of a type that this mlbench knows")
    names = FIELDS[record_type]
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"it has no {missing[0]!r}")
    if record_type is Episodes:
        values |= columns(values)
    if record_type is Started and isinstance(values["provenance"], dict):
        values["provenance"] = UNSAID | values["provenance"]
    record = record_type(**{name: values[name] for name in names})
    if not is_count(record.position):
        raise ValueError("its position is no count")
    CHECKS[record_type](record)
    return record


def utc(text: str) -> datetime:
    """Return an ISO 8601 time as UTC without a time zone, as the database holds it.

    Raises:
        ValueError: It is no such time.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time") from None


def is_count(value: object) -> bool:
    """Return whether a value is an integer that the database can hold as a count."""
    return type(value) is int and 0 <= value < 2**63


def check_started(record: Started) -> None:
    """Refuse a first line whose parts are missing or of the wrong type."""
    utc(record.at)
    for name, hint in STARTED_TYPES.items():
        if not fits(getattr(record, name), hint):
            raise ValueError(f"its {name} is of the wrong type")
    parts: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("spec", record.spec, SPEC_TYPES),
        ("provenance", record.provenance, PROVENANCE_TYPES),
    )
    for name, part, hints in parts:
        if not isinstance(part, dict):
            raise ValueError(f"its {name} is no object")  # noqa: TRY004
        for key, hint in hints.items():
            if key not in part:
                raise ValueError(f"its {name} has no {key!r}")
            if not fits(part[key], hint):
                raise ValueError(f"{key!r} of its {name} is of the wrong type")
    for dataset in (record.spec["train_dataset"], *record.spec["eval_datasets"]):
        if dataset not in record.spec["fingerprints"]:
            raise ValueError(f"its spec has no fingerprint of {dataset!r}")


def fits(value: object, hint: Any) -> bool:
    """Return whether a value read from JSON is of an annotated type."""
    arguments = get_args(hint)
    match get_origin(hint) or hint:
        case types.UnionType:
            return any(fits(value, argument) for argument in arguments)
        case builtins.list:
            return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
        case builtins.dict:
            return isinstance(value, dict) and all(fits(v, arguments[1]) for v in value.values())
        case builtins.int:
            return type(value) is int and -(2**63) <= value < 2**63
        case typing.Any:
            return True
        case kind:
            return type(value) is kind


def columns(values: dict[str, Any]) -> dict[str, array[Any]]:
    """Return the columns of episodes, as compact as the database takes them.

    Raises:
        ValueError: One is of the wrong type, or holds what does not fit.
    """
    found = {}
    for name, code in EPISODE_COLUMNS.items():
        column = values[name]
        if not isinstance(column, list):
            raise ValueError("an episode column is no list")  # noqa: TRY004
        packed = pack(code, column)
        if packed is None:
            meaning = "numbers" if code == "d" else "counts"
            raise ValueError(f"its {name} is no column of {meaning}")
        found[name] = packed
    return found


def pack(code: str, column: list[Any]) -> array[Any] | None:
    """Return a column as an array, ``None`` if a value is of another type or does not fit."""
    if not set(map(type, column)) <= ({float, int} if code == "d" else {int}):
        return None
    if code == "q" and min(column, default=0) < 0:
        return None
    try:
        return array(code, column)
    except OverflowError:
        return None


def check_episodes(record: Episodes) -> None:
    """Refuse columns of unequal length, and an unknown phase."""
    if len({len(getattr(record, name)) for name in EPISODE_COLUMNS}) != 1:
        raise ValueError("its columns differ in length")
    if record.phase not in PHASES or type(record.eval_dataset) is not str:
        raise ValueError("its phase or eval_dataset is none")


def check_validated(record: Validated) -> None:
    """Refuse a validation whose numbers are none."""
    counts = is_count(record.step) and is_count(record.tasks) and type(record.best) is bool
    if not (counts and {type(record.loss), type(record.score)} <= {float, int}):
        raise ValueError("one of its values is of the wrong type")


def check_phase(record: PhaseTime) -> None:
    """Refuse an unknown phase."""
    known = record.phase in PHASES and type(record.eval_dataset) is str
    if not (known and type(record.seconds) in {float, int}):
        raise ValueError("its phase, eval_dataset or seconds is none")


def check_status(record: StatusChange) -> None:
    """Refuse an unknown status."""
    known = record.status in FINAL_STATUSES and fits(record.error, str | None)
    if not (known and is_count(record.tasks_trained)):
        raise ValueError("its status, error or tasks_trained is none")
    utc(record.at)


CHECKS: dict[type[Record], Any] = {
    Started: check_started,
    Episodes: check_episodes,
    Validated: check_validated,
    PhaseTime: check_phase,
    StatusChange: check_status,
}
