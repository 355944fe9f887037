"""Records as lines of JSON, and lines as records: what does not fit is refused, with a reason."""

from __future__ import annotations

import builtins
import json
import types
import typing
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_args, get_origin, get_type_hints

from mlbench.store.records import (
    EPISODE_COLUMNS,
    EPISODE_INTEGERS,
    EPISODE_NUMBERS,
    FINAL_STATUSES,
    PHASES,
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


def to_line(record: Record) -> bytes:
    """Return a record as one line of JSON; NaN and Infinity are written as Python has them."""
    values = {"type": record.type}
    for name in FIELDS[type(record)]:
        values[name] = getattr(record, name)
    return encode(values).encode(errors="replace") + b"\n"  # half a character becomes "?"


def from_line(line: bytes) -> Record:
    """Return the record of one line.

    Raises:
        ValueError: The line is no record; the message says why, in a few words.
    """
    try:
        values = json.loads(line)
        if b"\\ud" in line.lower():
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
    except (TypeError, ValueError):
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


def check_episodes(record: Episodes) -> None:
    """Refuse columns of unequal length or of the wrong type."""
    columns = [getattr(record, name) for name in EPISODE_COLUMNS]
    if not all(isinstance(column, list) for column in columns):
        raise ValueError("an episode column is no list")
    if len(set(map(len, columns))) != 1:
        raise ValueError("its columns differ in length")
    if record.phase not in PHASES or type(record.eval_dataset) is not str:
        raise ValueError("its phase or eval_dataset is none")
    for name in EPISODE_INTEGERS:
        values = getattr(record, name)
        limit = 2**64 if name == "key" else 2**63
        if values and not (
            set(map(type, values)) == {int} and min(values) >= 0 and max(values) < limit
        ):
            raise ValueError(f"its {name} is no column of counts")
    for name in EPISODE_NUMBERS:
        if not set(map(type, getattr(record, name))) <= {float, int}:
            raise ValueError(f"its {name} is no column of numbers")


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
