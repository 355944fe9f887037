"""How one run stands, from its records as they come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from mlbench.store.lines import utc
from mlbench.store.records import (
    CONCLUSIVE,
    Episodes,
    Kind,
    Phase,
    Record,
    Started,
    Status,
    StatusChange,
    Validated,
)
from mlbench.store.snapshot import RunRow

RECENT = 0.3  # weight of the newest episodes in the time that one takes


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run was asked to do, and where: the same from its first record to its last."""

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
    train_tasks: int
    validation_tasks: int
    validate_every: int
    test_tasks: int
    started: datetime

    @classmethod
    def of(cls, record: Started) -> Asked:
        """Return what the first record of a run asks for."""
        spec = record.spec
        return cls(
            run_id=record.run_id,
            algorithm=spec["algorithm"],
            train_dataset=spec["train_dataset"],
            eval_datasets=tuple(spec["eval_datasets"]),
            kind=record.kind,
            ways=spec["ways"],
            shots=spec["shots"],
            queries=spec["queries"],
            seed=spec["seed"],
            protocol=spec["protocol"],
            budget=spec["budget"],
            train_tasks=spec["train_tasks"],
            validation_tasks=spec["validation_tasks"],
            validate_every=spec["validate_every"],
            test_tasks=spec["test_tasks"],
            started=utc(record.at),
        )

    @property
    def test_datasets(self) -> tuple[str, ...]:
        """Return what it is tested on, in order."""
        return (self.train_dataset, *self.eval_datasets)

    @property
    def validations(self) -> int:
        """Return how many validations there are: one before training, one after every stretch."""
        return 1 + math.ceil(self.train_tasks / self.validate_every)


@dataclass(kw_only=True)
class Following:
    """One run, as far as it was followed.

    Args:
        attempt: The last one heard of.
        host: Where that is.
        pid: Likewise.
        status: What it said of its end; ``None`` while it has said nothing.
        seconds: That one episode of a phase takes, lately.
        tests: Positions and scores of test episodes in its own domain.
    """

    asked: Asked
    attempt: int = 1
    host: str = ""
    pid: int = 0
    status: Status | None = None
    error: str | None = None
    ended: datetime | None = None
    tasks_trained: int = 0
    phase: Phase | None = None
    dataset: str | None = None
    phase_done: int = 0
    validation: float | None = None
    best: float | None = None
    score: float | None = None
    seconds: dict[Phase, float] = field(default_factory=dict)
    tests: dict[int, float] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take in the next record."""
        match record:
            case Started():
                self.begin(record)
            case Episodes():
                self.meet(record)
            case Validated():
                self.tasks_trained = record.tasks
                self.validation = record.score
                if record.best:
                    self.best = record.score
            case StatusChange():
                self.status, self.error = record.status, record.error
                self.ended = utc(record.at)
                self.tasks_trained = max(self.tasks_trained, record.tasks_trained)
                if self.status in CONCLUSIVE and len(self.tests) == self.asked.test_tasks:
                    self.score = sum(self.tests.values()) / len(self.tests)

    def begin(self, record: Started) -> None:
        """Begin an attempt: what earlier ones recorded from its position on is void."""
        self.attempt = record.attempt
        self.host = record.provenance["host"]
        self.pid = record.provenance["pid"]
        self.status = self.error = self.ended = None
        self.tests = {p: score for p, score in self.tests.items() if p < record.position}
        if record.position == 0:
            self.tasks_trained = self.phase_done = 0
            self.phase = self.dataset = self.validation = self.best = None

    def meet(self, record: Episodes) -> None:
        """Count episodes, and the time they take."""
        if not record.episode:
            return
        self.phase, self.dataset = record.phase, record.eval_dataset
        self.phase_done = record.episode[-1] + 1
        if record.phase == "train":
            self.tasks_trained = self.phase_done
        if record.phase == "test" and record.eval_dataset == self.asked.train_dataset:
            self.tests |= zip(
                range(record.position, record.position + len(record.score)),
                record.score,
                strict=True,
            )
        each = sum(record.seconds) / len(record.seconds)
        before = self.seconds.get(record.phase, each)
        self.seconds[record.phase] = (1 - RECENT) * before + RECENT * each

    def row(self, *, alive: bool) -> RunRow:
        """Return how the run stands.

        Args:
            alive: Whether a process is running it.
        """
        asked = self.asked
        status = self.status or ("running" if alive else "interrupted")
        done, left = self.work()
        total = sum(done.values()) + sum(left.values())
        running = status == "running"
        each = self.seconds.get(self.phase) if self.phase and running else None
        return RunRow(
            run_id=asked.run_id,
            algorithm=asked.algorithm,
            train_dataset=asked.train_dataset,
            eval_datasets=asked.eval_datasets,
            kind=asked.kind,
            ways=asked.ways,
            shots=asked.shots,
            queries=asked.queries,
            seed=asked.seed,
            protocol=asked.protocol,
            budget=asked.budget,
            status=status,
            error=self.error,
            started=asked.started,
            ended=self.ended,
            attempts=self.attempt,
            train_tasks=asked.train_tasks,
            tasks_trained=self.tasks_trained,
            phase=self.phase,
            phase_dataset=self.dataset,
            phase_done=self.phase_done,
            phase_tasks=self.phase_tasks,
            done=1.0 if status in CONCLUSIVE else sum(done.values()) / max(1, total),
            tasks_per_second=1 / each if each else None,
            seconds_left=self.seconds_for(left) if running else None,
            validation=self.validation,
            best=self.best,
            score=self.score,
            host=self.host,
            pid=self.pid,
        )

    @property
    def phase_tasks(self) -> int:
        """Return how many episodes the phase under way has."""
        match self.phase:
            case "train":
                return self.asked.train_tasks
            case "validation":
                return self.asked.validation_tasks
            case "test":
                return self.asked.test_tasks
        return 0

    def work(self) -> tuple[dict[Phase, int], dict[Phase, int]]:
        """Return how many tasks of each phase are done, and how many are left.

        Once the tests have begun there is no training left, however little there was: some
        techniques have none, and a run that diverges ends it early.
        """
        asked, trained = self.asked, self.tasks_trained
        tests = list(asked.test_datasets)
        in_all: dict[Phase, int] = {
            "train": asked.train_tasks,
            "validation": asked.validations * asked.validation_tasks,
            "test": len(tests) * asked.test_tasks,
        }
        stretches = trained / asked.validate_every
        done: dict[Phase, int] = {"train": trained, "validation": 0, "test": 0}
        match self.phase:
            case "train":
                done["validation"] = (1 + math.floor(stretches)) * asked.validation_tasks
            case "validation":
                done["validation"] = math.ceil(stretches) * asked.validation_tasks + self.phase_done
            case "test":
                done["train"], done["validation"] = in_all["train"], in_all["validation"]
                place = tests.index(self.dataset) if self.dataset in tests else 0
                done["test"] = place * asked.test_tasks + self.phase_done
        return done, {phase: max(0, in_all[phase] - done[phase]) for phase in in_all}

    def seconds_for(self, left: dict[Phase, int]) -> float | None:
        """Return how long what is left takes; ``None`` while that cannot be told."""
        known = self.seconds
        evaluation = known.get("test", known.get("validation"))
        each = {
            "train": known.get("train"),
            "validation": known.get("validation", evaluation),
            "test": evaluation,
        }
        total = 0.0
        for phase, tasks in left.items():
            if not tasks:
                continue
            seconds = each[phase]
            if seconds is None:
                return None
            total += tasks * seconds
        return total
