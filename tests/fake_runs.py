"""Runs that never happened, as the records that they would have left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.records import (
    Episodes,
    Phase,
    PhaseTime,
    ProvenanceRecord,
    Record,
    SpecRecord,
    Started,
    StatusChange,
    Validated,
)

PROVENANCE: ProvenanceRecord = {
    "command": "mlbench run maml --train mini --eval cub",
    "git_commit": "0" * 40,
    "git_dirty": False,
    "python": "3.11.7",
    "packages": {"torch": "2.15.0", "duckdb": "1.5.6"},
    "plugin_files": {"algorithms/maml.py": "a" * 64},
    "host": "nimbus",
    "os": "Linux",
    "cpu": "Epyc",
    "cores": 2,
    "memory_bytes": 8_000_000_000,
    "gpu": None,
    "device": "cpu",
    "threads": 1,
    "engine": "loop",
    "allocator": None,
    "pid": 4711,
    "stacked": 1,
    "compiled": False,
    "tf32": None,
    "deterministic": None,
}


class FakeRun:
    """Makes the records that a run would, counting positions as a run does."""

    def __init__(self, run_id: str = "r1", attempt: int = 1, position: int = 0) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.start = self.position = position

    def started(
        self, *, incomplete: dict[str, str] | None = None, spec_hash: str = "5bec", **spec: Any
    ) -> Started:
        values = {
            "algorithm": "maml",
            "train_dataset": "mini",
            "eval_datasets": ["cub"],
            "ways": 5,
            "shots": 1,
            "queries": 16,
            "seed": 0,
            "protocol": "corrected",
            "protocol_settings": {"replacement": False},
            "budget": "quick",
            "train_tasks": 1000,
            "validation_tasks": 10,
            "validate_every": 500,
            "test_tasks": 20,
            "precision": "float32",
            "hyperparameters": {"inner_lr": 0.01, "hidden": [20, 20]},
            "learner": {"channels": 64},
            "options": {"mini": {"size": 84}},
            "fingerprints": {"mini": "f-mini", "cub": "f-cub"},
        }
        return Started(
            run_id=self.run_id,
            attempt=self.attempt,
            position=self.start,
            at="2026-11-23T05:00:00+00:00",
            kind="classification",
            spec=cast(SpecRecord, values | spec),
            spec_hash=spec_hash,
            incomplete=incomplete or {},
            provenance=PROVENANCE,
        )

    def episodes(
        self, first: int, last: int, phase: Phase = "train", dataset: str = "mini"
    ) -> Episodes:
        """Return episodes ``first`` to ``last - 1``; episode i scores i / 1024."""
        numbers = range(first, last)
        record = Episodes(
            position=self.position,
            phase=phase,
            eval_dataset=dataset,
            episode=list(numbers),
            step=[i // 4 for i in numbers],
            loss=[1 / (1 + i) for i in numbers],
            score=[i / 1024 for i in numbers],
            seconds=[0.5] * len(numbers),
            key=[2**63 + i for i in numbers],
        )
        self.position += len(numbers)
        return record

    def validated(self, tasks: int, score: float = 0.5, *, best: bool = True) -> Validated:
        record = Validated(
            position=self.position, step=tasks // 4, tasks=tasks, loss=1.0, score=score, best=best
        )
        self.position += 1
        return record

    def phase(self, phase: Phase, seconds: float, dataset: str = "mini") -> PhaseTime:
        record = PhaseTime(
            position=self.position, phase=phase, eval_dataset=dataset, seconds=seconds
        )
        self.position += 1
        return record

    def status(self, status: Any = "finished", error: str | None = None) -> StatusChange:
        return StatusChange(
            position=self.position,
            status=status,
            at="2026-11-23T06:00:00+00:00",
            error=error,
            tasks_trained=1000,
        )

    def whole(self, **spec: Any) -> list[Record]:
        """Return a finished run of 8 training and 2 × 4 test episodes."""
        return [
            self.started(**spec),
            self.validated(0, 0.2),
            self.episodes(0, 8),
            self.phase("train", 60.0),
            self.phase("validation", 6.0),
            self.episodes(0, 4, "test", "mini"),
            self.phase("test", 3.0),
            self.episodes(4, 8, "test", "cub"),
            self.phase("test", 4.0, "cub"),
            self.status(),
        ]

    def resumed(self, position: int) -> FakeRun:
        """Return the next attempt, which goes on at a position."""
        return FakeRun(self.run_id, self.attempt + 1, position)

    def write(self, paths: StorePaths, records: Iterable[Record]) -> Path:
        """Write this attempt's journal."""
        with Journal.open(paths, self.run_id, self.attempt) as journal:
            journal.append(records)
        return journal.path
