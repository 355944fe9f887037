"""What a journal holds: one record a line, as JSON.

``position`` counts what a run records, over all its attempts: an :class:`Episodes` record takes
one position an episode, a :class:`Started` none, every other record one. An attempt that starts
at position p supersedes what earlier attempts of its run recorded at p or later; that is how a
run that was killed and resumed ends with each of its episodes once.
"""

from __future__ import annotations

import builtins
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypedDict, get_args, get_origin, get_type_hints

Phase = Literal["train", "validation", "test"]
FinalStatus = Literal["finished", "interrupted", "failed", "diverged"]
Status = Literal["running", "finished", "interrupted", "failed", "diverged"]
Kind = Literal["classification", "regression"]
PHASES: tuple[str, ...] = get_args(Phase)
FINAL_STATUSES: tuple[str, ...] = get_args(FinalStatus)


class SpecRecord(TypedDict):
    """What was asked for: everything that decides a run's results."""

    algorithm: str
    train_dataset: str
    eval_datasets: list[str]
    ways: int | None
    shots: int
    queries: int
    seed: int
    protocol: str
    protocol_settings: dict[str, Any]
    budget: str
    train_tasks: int
    validation_tasks: int
    validate_every: int
    test_tasks: int
    precision: str
    hyperparameters: dict[str, Any]
    learner: dict[str, Any]
    options: dict[str, dict[str, Any]]
    fingerprints: dict[str, str]


class ProvenanceRecord(TypedDict):
    """Where an attempt came from: what was typed, which code, which machine."""

    command: str
    git_commit: str | None
    git_dirty: bool | None
    python: str
    packages: dict[str, str]
    plugin_files: dict[str, str]
    host: str
    os: str
    cpu: str | None
    cores: int | None
    memory_bytes: int | None
    gpu: str | None
    device: str
    threads: int | None
    engine: str | None
    allocator: str | None
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first line of every journal.

    Args:
        attempt: 1 for a run's first, and one more each time that it is resumed.
        position: Where this attempt goes on; earlier attempts' records from there on are void.
        at: ISO 8601, UTC.
        incomplete: What is missing from a data set, by its name; empty when nothing is.
    """

    type: ClassVar[str] = "started"
    run_id: str
    attempt: int
    position: int
    at: str
    kind: Kind
    spec: SpecRecord
    spec_hash: str
    incomplete: Mapping[str, str]
    provenance: ProvenanceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """Episodes of one phase and data set, as columns of equal length.

    Args:
        position: Of the first episode; the others follow.
        episode: Index in its stream.
        step: Meta-updates done when the episode was met.
        loss: Query loss after adaptation.
        score: Accuracy in [0, 1], or mean squared error.
        seconds: Its share of the wall time of the batch that it was in.
        key: 64-bit key: equal keys, equal episodes.
    """

    type: ClassVar[str] = "episodes"
    position: int
    phase: Phase
    eval_dataset: str
    episode: Sequence[int]
    step: Sequence[int]
    loss: Sequence[float]
    score: Sequence[float]
    seconds: Sequence[float]
    key: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """One validation: means over the validation episodes.

    Args:
        tasks: Training tasks met so far.
        best: Whether this is the best so far, strictly.
    """

    type: ClassVar[str] = "validated"
    position: int
    step: int
    tasks: int
    loss: float
    score: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """The wall time of a whole phase, over all attempts."""

    type: ClassVar[str] = "phase"
    position: int
    phase: Phase
    eval_dataset: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """How an attempt ended."""

    type: ClassVar[str] = "status"
    position: int
    status: FinalStatus
    at: str
    error: str | None
    tasks_trained: int


Record = Started | Episodes | Validated | PhaseTime | StatusChange
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
EPISODE_INTEGERS = ("episode", "step", "key")
EPISODE_NUMBERS = ("loss", "score", "seconds")
EPISODE_COLUMNS = EPISODE_INTEGERS + EPISODE_NUMBERS

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
