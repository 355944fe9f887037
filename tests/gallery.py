"""Stores full of runs that never happened, as large and as varied as a study's.

``python -m tests.gallery FOLDER`` makes one to look at.
"""

from __future__ import annotations

import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np

from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.records import (
    Episodes,
    FinalStatus,
    Phase,
    PhaseTime,
    Record,
    SpecRecord,
    Started,
    StatusChange,
    Validated,
)
from tests.fake_runs import PROVENANCE

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)
PAPER = (
    "train_from_scratch",
    "finetuning",
    "baseline_pp",
    "lstm",
    "lstm_enhanced",
    "fo_maml",
    "maml",
    "fo_turtle",
    "turtle",
)
STRENGTH = dict(zip(PAPER, (0.30, 0.38, 0.43, 0.45, 0.49, 0.46, 0.47, 0.43, 0.48), strict=True))
"""Accuracy of a technique at 1 shot in its own domain; other cells are made of it."""
SECONDS = dict(zip(PAPER, (9.0, 14.0, 15.0, 30.0, 40.0, 12.0, 21.0, 18.0, 37.0), strict=True))
"""Per hundred training tasks."""
CHANCE = 0.2


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run to be made up.

    Args:
        level: Mean test accuracy in its own domain, or mean squared error.
        cross: What is taken off in other domains.
        until: How far it gets, as a share of its records.
        stacked: How many runs one program computed.
    """

    algorithm: str
    train_dataset: str = "mini"
    eval_datasets: tuple[str, ...] = ("cub",)
    shots: int = 1
    ways: int | None = 5
    seed: int = 0
    level: float = 0.45
    cross: float = 0.1
    hyperparameters: tuple[tuple[str, Any], ...] = (("train_steps", 5), ("order", 2))
    train_tasks: int = 400
    validation_tasks: int = 20
    validate_every: int = 100
    test_tasks: int = 60
    budget: str = "quick"
    protocol: str = "corrected"
    statistic: str = "median"
    seconds: float = 20.0
    status: FinalStatus | None = "finished"
    error: str | None = None
    until: float = 1.0
    started: datetime = BEGIN
    stacked: int = field(default=1, repr=False)

    @property
    def regression(self) -> bool:
        """Return whether it is of sine waves."""
        return self.ways is None

    @property
    def run_id(self) -> str:
        """Return its name, as runs are named."""
        return f"{self.algorithm}-{self.train_dataset}-{self.digest[:8]}"

    @property
    def digest(self) -> str:
        """Return 16 digits that tell it from others."""
        return sha256(repr(self).encode()).hexdigest()[:16]

    def records(self) -> Iterator[Record]:
        """Yield what it records, from first to last."""
        random = np.random.default_rng(zlib.crc32(self.digest.encode()))
        own = random.normal(0, 0.01 if not self.regression else 0.03)
        position = 0

        def episodes(phase: Phase, dataset: str, first: int, n: int, step: int) -> Episodes:
            nonlocal position
            gained = min(1.0, 0.5 + 0.5 * step / max(1, self.train_tasks))
            tasks = hardness(phase, dataset, first, n)
            if self.regression:
                scores = np.exp(random.normal(0, 0.3, n) + tasks) * self.level / gained + own**2
                losses = scores
            else:
                level = CHANCE + (self.level - CHANCE) * gained + own
                level -= self.cross * (dataset != self.train_dataset)
                noisy = level + 0.07 * tasks + random.normal(0, 0.05, n)
                scores = np.clip(np.round(noisy * 80) / 80, 0, 1)
                losses = 2.2 - 2 * scores
            offset = zlib.crc32(f"{phase} {dataset} {self.shots}".encode()) << 24
            record = Episodes(
                position=position,
                phase=phase,
                eval_dataset=dataset,
                episode=list(range(first, first + n)),
                step=[step] * n,
                loss=[float(loss) for loss in losses],
                score=[float(score) for score in scores],
                seconds=[self.seconds / 100] * n,
                key=[offset + first + i for i in range(n)],
            )
            position += n
            return record

        yield self.started_record()
        best: float | None = None
        for tasks in range(0, self.train_tasks + 1, self.validate_every):
            validation = episodes("validation", self.train_dataset, 0, self.validation_tasks, tasks)
            yield validation
            score = float(np.mean(validation.score))
            sign = -1 if self.regression else 1
            improved = best is None or sign * score > sign * best
            best = score if improved else best
            yield Validated(
                position=position,
                step=tasks,
                tasks=tasks,
                loss=float(np.mean(validation.loss)),
                score=score,
                best=improved,
            )
            position += 1
            n = min(self.validate_every, self.train_tasks - tasks)
            if n:
                yield episodes("train", self.train_dataset, tasks, n, tasks)
        spent = self.seconds * (1 + 0.05 * random.normal())
        seconds = {"train": spent * self.train_tasks / 100, "validation": spent / 10}
        for phase, time in seconds.items():
            yield PhaseTime(
                position=position,
                phase=cast(Phase, phase),
                eval_dataset=self.train_dataset,
                seconds=time,
            )
            position += 1
        for dataset in (self.train_dataset, *self.eval_datasets):
            yield episodes("test", dataset, 0, self.test_tasks, self.train_tasks)
            yield PhaseTime(
                position=position, phase="test", eval_dataset=dataset, seconds=spent / 20
            )
            position += 1

    def started_record(self) -> Started:
        """Return its first line."""
        datasets = (self.train_dataset, *self.eval_datasets)
        spec: SpecRecord = {
            "algorithm": self.algorithm,
            "train_dataset": self.train_dataset,
            "eval_datasets": list(self.eval_datasets),
            "ways": self.ways,
            "shots": self.shots,
            "queries": 50 if self.regression else 16,
            "seed": self.seed,
            "protocol": self.protocol,
            "protocol_settings": {"replacement": False, "statistic": self.statistic},
            "budget": self.budget,
            "train_tasks": self.train_tasks,
            "validation_tasks": self.validation_tasks,
            "validate_every": self.validate_every,
            "test_tasks": self.test_tasks,
            "precision": "float32",
            "hyperparameters": dict(self.hyperparameters),
            "learner": {"hidden": [40, 40]} if self.regression else {"channels": 64},
            "options": {},
            "fingerprints": {name: sha256(name.encode()).hexdigest()[:16] for name in datasets},
        }
        return Started(
            run_id=self.run_id,
            attempt=1,
            position=0,
            at=self.started.isoformat(),
            kind="regression" if self.regression else "classification",
            spec=spec,
            spec_hash=self.digest,
            incomplete={},
            provenance=PROVENANCE
            | {
                "command": f"mlbench run {self.algorithm} --train {self.train_dataset}",
                "stacked": self.stacked,
            },
        )

    def write(self, paths: StorePaths) -> Path:
        """Write its journal, up to where it got."""
        records = list(self.records())
        kept, position = [], 0
        for record in records[: max(1, round(self.until * len(records)))]:
            kept.append(replace(record, position=position))
            position += width(record)
        if self.status is not None:
            done = [r.tasks for r in kept if isinstance(r, Validated)]
            ended = self.started + timedelta(seconds=self.seconds * self.train_tasks / 80)
            kept.append(
                StatusChange(
                    position=position,
                    status=self.status,
                    at=ended.isoformat(),
                    error=self.error,
                    tasks_trained=done[-1] if done else 0,
                )
            )
        with Journal.open(paths, self.run_id, 1) as journal:
            journal.append(kept)
        return journal.path


def width(record: Record) -> int:
    """Return how many positions a record takes."""
    if isinstance(record, Started):
        return 0
    return len(record.episode) if isinstance(record, Episodes) else 1


def hardness(phase: str, dataset: str, first: int, n: int) -> np.ndarray:
    """Return how hard each episode is: the same for every technique and seed."""
    stream = np.random.default_rng(zlib.crc32(f"{phase} {dataset}".encode()))
    return stream.normal(0, 1, first + n)[first:]


def images(
    seeds: int = 3, algorithms: Sequence[str] = PAPER, shots: Sequence[int] = (1, 5), **more: Any
) -> list[Made]:
    """Return the runs of Tables 3.1 and 3.4: techniques × {mini, cub} × shots × seeds."""
    runs = []
    pairs = (("mini", "cub"), ("cub", "mini"))
    grid = itertools.product(range(seeds), shots, pairs, algorithms)
    for number, (seed, shot, (train, other), algorithm) in enumerate(grid):
        level = STRENGTH.get(algorithm, 0.4) + (0.15 if shot == 5 else 0)
        level += 0.05 if train == "cub" else 0
        runs.append(
            Made(
                algorithm=algorithm,
                train_dataset=train,
                eval_datasets=(other,),
                shots=shot,
                seed=seed,
                level=level,
                cross=0.08 + 0.01 * (number % 4),
                seconds=SECONDS.get(algorithm, 20.0) * (1.5 if shot == 5 else 1),
                hyperparameters=(
                    ("train_steps", 5),
                    ("order", 1 if algorithm in {"lstm", "fo_maml", "fo_turtle"} else 2),
                ),
                started=BEGIN + timedelta(minutes=number),
                **more,
            )
        )
    return runs


def sine(
    seeds: int = 5, steps: Sequence[int] = (1, 5), layers: Sequence[int] = range(8)
) -> list[Made]:
    """Return the runs of Figures 3.2 and 3.3: TURTLE by hidden layers, MAML and the LSTM."""
    runs = []
    began = itertools.count()

    def add(algorithm: str, level: float, hyperparameters: dict[str, Any], seed: int) -> None:
        runs.append(
            Made(
                algorithm=algorithm,
                train_dataset="sine",
                eval_datasets=(),
                ways=None,
                shots=5,
                seed=seed,
                level=level,
                hyperparameters=tuple(hyperparameters.items()),
                seconds=SECONDS[algorithm] / 10,
                started=BEGIN + timedelta(hours=9, minutes=next(began)),
            )
        )

    for seed, t in itertools.product(range(seeds), steps):
        for algorithm, order in (("fo_turtle", 1), ("turtle", 2)):
            for depth in layers:
                level = (0.6 if t == 1 else 0.37) * (1 + (2 - order)) * (1.5 if depth < 2 else 1)
                hidden = [20] * depth
                settings = {"train_steps": t, "order": order, "hidden": hidden}
                add(algorithm, level, settings, seed)
        for algorithm, order in (("fo_maml", 1), ("maml", 2)):
            add(algorithm, 0.7 if t == 1 else 0.5, {"train_steps": t, "order": order}, seed)
        add("lstm", 0.9 if t == 1 else 0.6, {"train_steps": t, "order": 1}, seed)
    return runs


def odd_ones() -> list[Made]:
    """Return a failed, an interrupted, a diverged, a dead and an other run."""
    late = BEGIN + timedelta(days=2)
    return [
        Made(
            algorithm="lstm",
            status="failed",
            error="the loss of task 37 has no gradient; lower inner_lr",
            until=0.4,
            seed=90,
            started=late,
        ),
        Made(algorithm="maml", status="interrupted", until=0.6, seed=91, started=late),
        Made(
            algorithm="fo_turtle",
            status="diverged",
            hyperparameters=(("train_steps", 5), ("order", 1)),
            error="50 meta-steps in a row were not finite, the last at task 212",
            seed=92,
            level=0.21,
            started=late,
        ),
        Made(algorithm="turtle", status=None, until=0.7, seed=93, started=late),
        Made(algorithm="maml", protocol="released", statistic="trimmed", seed=94, started=late),
        Made(algorithm="sign_maml", seed=95, started=late),
    ]


def fill(paths: StorePaths, runs: Sequence[Made], *, take_in: bool = True) -> StorePaths:
    """Write journals and, unless told otherwise, take them into the database."""
    for run in runs:
        run.write(paths)
    if take_in:
        ingest(paths)
    return paths


def main() -> None:
    """Make a store with everything in the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    runs = [*images(5), *sine(), *odd_ones()]
    fill(StorePaths(folder / "runs.duckdb"), runs)
    print(f"{len(runs)} runs in {folder / 'runs.duckdb'}")  # noqa: T201


if __name__ == "__main__":
    main()
