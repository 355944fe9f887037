"""How all runs of a store stand at one moment, as the dashboard and others follow them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mlbench.store.records import Kind, Phase, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """How one run stands.

    Args:
        ways: ``None`` for regression.
        started: When its first attempt began, UTC, without a time zone.
        ended: When its last attempt ended; ``None`` while it is alive.
        error: Why it failed, or how it diverged.
        train_tasks: Tasks of its whole meta-training.
        tasks_trained: How many of them it has met.
        phase: What it records at the moment, or recorded last; ``None`` before its first episode.
        phase_dataset: Where those episodes come from.
        phase_done: Episodes of that phase so far.
        phase_tasks: Episodes of that phase in all.
        done: Share of all its work, in [0, 1], counted in tasks: training, all validations and
            tests.
        tasks_per_second: Training, validation and test tasks alike, lately; ``None`` unless alive.
        seconds_left: At that rate; ``None`` unless alive.
        validation: Score of the last validation.
        best: The best one so far.
        score: Mean over the test episodes in its own domain; ``None`` unless it has its result.
        host: The machine that its last attempt is on.
        pid: Of its last attempt.
    """

    run_id: str
    algorithm: str
    train_dataset: str
    eval_datasets: tuple[str, ...]
    kind: Kind
    ways: int | None
    shots: int
    queries: int
    seed: int
    protocol: str
    budget: str
    status: Status
    error: str | None
    started: datetime
    ended: datetime | None
    attempts: int
    train_tasks: int
    tasks_trained: int
    phase: Phase | None
    phase_dataset: str | None
    phase_done: int
    phase_tasks: int
    done: float
    tasks_per_second: float | None
    seconds_left: float | None
    validation: float | None
    best: float | None
    score: float | None
    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All runs at one moment.

    Args:
        runs: Newest first.
        held: Which process keeps the database from being read, in one line, ready to be shown;
            ``None`` when it can be read. Runs then come from the journals alone.
        stamp: Grows whenever there is something new to ask the database about: a run ended, or
            the database can be read again.
        damaged: A line for each journal that cannot be read to its end.
        queued: How many runs wait in a cluster's queue; they have no journal yet, or go on later.
    """

    runs: tuple[RunRow, ...] = ()
    held: str | None = None
    stamp: int = 0
    damaged: tuple[str, ...] = field(default=())
    queued: int = 0
