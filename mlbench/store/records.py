"""What a journal holds: one record a line.

``position`` counts what a run records, over all its attempts: an :class:`Episodes` record takes
one position an episode, a validation and a phase's time one, and how an attempt started and ended
none. Within an attempt they go on without a gap, unless it was pruned. An attempt that starts
at position p supersedes what earlier attempts of its run recorded at p or later; that is how a
run that was killed and resumed ends with each of its episodes once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypedDict, get_args

Phase = Literal["train", "validation", "test"]
FinalStatus = Literal["finished", "interrupted", "failed", "diverged"]
Status = Literal["running", "finished", "interrupted", "failed", "diverged"]
Kind = Literal["classification", "regression"]
PHASES: tuple[str, ...] = get_args(Phase)
FINAL_STATUSES: tuple[str, ...] = get_args(FinalStatus)
CONCLUSIVE: tuple[Status, ...] = ("finished", "diverged")
"""Statuses of runs that have their result, the one that counts more first."""


class SpecRecord(TypedDict):
    """What was asked for: everything that decides a run's results.

    ``eval_datasets`` are tested on besides ``train_dataset``.
    """

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
    """Where an attempt came from: what was typed, which code, which machine.

    ``stacked`` says how many runs one program computed, 1 for a run alone, and ``compiled`` whether
    that was compiled; journals lack them that were written before there was a choice. ``tf32`` and
    ``deterministic`` are of a GPU, and left out or ``None`` elsewhere.
    """

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
    stacked: int
    compiled: bool
    tf32: bool | None
    deterministic: bool | None


UNSAID: dict[str, Any] = {"stacked": 1, "compiled": False, "tf32": None, "deterministic": None}
"""What is so of an attempt whose provenance does not say it."""


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

    Columns are lists when they are written, and arrays when they were read.

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
    """How an attempt ended.

    Args:
        error: Why it failed, or how it diverged; ``None`` where there is nothing to say.
    """

    type: ClassVar[str] = "status"
    position: int
    status: FinalStatus
    at: str
    error: str | None
    tasks_trained: int


Record = Started | Episodes | Validated | PhaseTime | StatusChange
EPISODE_COLUMNS = {
    "episode": "q",
    "step": "q",
    "loss": "d",
    "score": "d",
    "seconds": "d",
    "key": "Q",
}
"""The columns of :class:`Episodes`, and as what ``array`` holds them: q and Q count, d measures."""
