"""From the events of a run to the records of its journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mlbench.run.events import Episodes, Phase, PhaseEnded, Validated
from mlbench.run.setup import Experiment
from mlbench.store import records


def now() -> str:
    """Return the time, as records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def started(
    experiment: Experiment, run_id: str, attempt: int, position: int, provenance: dict[str, Any]
) -> records.Started:
    """Return the first record of an attempt."""
    spec = experiment.spec
    return records.Started(
        run_id=run_id,
        attempt=attempt,
        position=position,
        at=now(),
        kind=spec.kind,
        spec=spec.record(),  # type: ignore[arg-type]
        spec_hash=spec.hash,
        incomplete=experiment.incomplete,
        provenance=provenance,  # type: ignore[arg-type]
    )


def status(
    final: records.FinalStatus, position: int, tasks_trained: int, error: str | None = None
) -> records.StatusChange:
    """Return the last record of an attempt."""
    return records.StatusChange(
        position=position, status=final, at=now(), error=error, tasks_trained=tasks_trained
    )


class EpisodeBuffer:
    """Joins episodes of one phase and data set, so that many take one line of the journal."""

    def __init__(self) -> None:
        self.begin("train", "", 0)

    def __len__(self) -> int:
        return len(self.episode)

    def begin(self, phase: Phase, eval_dataset: str, position: int) -> None:
        """Begin a line, whose first episode has this position."""
        self.phase, self.eval_dataset, self.position = phase, eval_dataset, position
        self.episode: list[int] = []
        self.step: list[int] = []
        self.loss: list[float] = []
        self.score: list[float] = []
        self.seconds: list[float] = []
        self.key: list[int] = []

    def add(self, event: Episodes, position: int) -> list[records.Record]:
        """Take an event whose first episode has this position; return what became complete.

        Some runs have an event for each of their 70 000 tasks, so this does as little as it can.
        """
        complete: list[records.Record] = []
        if event.phase != self.phase or event.eval_dataset != self.eval_dataset or not self.episode:
            complete = self.take()
            self.begin(event.phase, event.eval_dataset, position)
        count = len(event.losses)
        self.episode.extend(range(event.first, event.first + count))
        self.step.extend(event.steps)
        self.loss.extend(event.losses)
        self.score.extend(event.scores)
        self.seconds.extend([round(event.seconds / count, 9)] * count)  # the clock's own digits
        self.key.extend(event.keys)
        return complete

    def take(self) -> list[records.Record]:
        """Return what is buffered, and begin anew."""
        if not self.episode:
            return []
        record = records.Episodes(
            position=self.position,
            phase=self.phase,
            eval_dataset=self.eval_dataset,
            episode=self.episode,
            step=self.step,
            loss=self.loss,
            score=self.score,
            seconds=self.seconds,
            key=self.key,
        )
        self.begin(self.phase, self.eval_dataset, self.position)
        return [record]


def milestone(event: Validated | PhaseEnded, position: int) -> records.Record:
    """Return the record of an event that is no episode."""
    if isinstance(event, Validated):
        return records.Validated(
            position=position,
            step=event.step,
            tasks=event.tasks,
            loss=event.loss,
            score=event.score,
            best=event.best,
        )
    return records.PhaseTime(
        position=position,
        phase=event.phase,
        eval_dataset=event.eval_dataset,
        seconds=event.seconds,
    )
