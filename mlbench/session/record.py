"""From the events of a run to the records of its journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mlbench.run.events import Episodes, PhaseEnded, Validated
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
        self.record: records.Episodes | None = None

    def __len__(self) -> int:
        return 0 if self.record is None else len(self.record.episode)

    def add(self, event: Episodes, position: int) -> list[records.Record]:
        """Take an event whose first episode has this position; return what became complete."""
        count = len(event.losses)
        columns: dict[str, list[Any]] = {
            "episode": list(range(event.first, event.first + count)),
            "step": [event.step] * count,
            "loss": event.losses,
            "score": event.scores,
            "seconds": [event.seconds / count] * count,
            "key": event.keys,
        }
        record = self.record
        if record is not None and (record.phase, record.eval_dataset) == (
            event.phase,
            event.eval_dataset,
        ):
            for name, values in columns.items():
                getattr(record, name).extend(values)
            return []
        complete = self.take()
        self.record = records.Episodes(
            position=position,
            phase=event.phase,
            eval_dataset=event.eval_dataset,
            **{name: list(values) for name, values in columns.items()},
        )
        return complete

    def take(self) -> list[records.Record]:
        """Return what is buffered, and begin anew."""
        record, self.record = self.record, None
        return [] if record is None else [record]


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
