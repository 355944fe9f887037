"""Drive one attempt of a run: journal what happens, save checkpoints, stop when asked to."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from mlbench.errors import MlbenchError, StoreError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event
from mlbench.run.loop import Progress, Run
from mlbench.run.machine import provenance
from mlbench.run.setup import Experiment
from mlbench.session.record import EpisodeBuffer, milestone, started, status
from mlbench.session.signals import StopRequest
from mlbench.store.journal import Journal, attempts_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record

CHECKPOINT_SECONDS = 20.0  # between two checkpoints, besides those at validations
FLUSH_SECONDS = 0.5  # an episode waits no longer than this, or one event, for the journal
FLUSH_EPISODES = 2_000


class Observer(Protocol):
    """Follows a run while it goes on."""

    def begin(self, experiment: Experiment, run_id: str, progress: Progress) -> None:
        """Learn what runs, and where it goes on from."""

    def see(self, event: Event, progress: Progress) -> None:
        """Learn what happened."""

    def end(self) -> None:
        """Learn that the attempt is over, however it ended."""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Args:
        progress: Where the run got to.
        exit_code: 0 when it finished, 128 plus the signal when one stopped it.
    """

    progress: Progress
    exit_code: int


class Attempt:
    """One attempt of a run, from its beginning or its last checkpoint to its end."""

    def __init__(
        self,
        experiment: Experiment,
        execution: Execution,
        paths: StorePaths,
        run_id: str,
        *,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.experiment = experiment
        self.execution = execution
        self.paths = paths
        self.run_id = run_id
        self.checkpoint_seconds = checkpoint_seconds
        self.buffer = EpisodeBuffer()

    @property
    def checkpoint(self) -> Path:
        """Return where this run's checkpoint lies."""
        return self.paths.checkpoint(self.run_id)

    def drive(self, observer: Observer, *, afresh: bool = False) -> Ended:
        """Run until the end, or until a signal.

        Args:
            observer: Told of every event.
            afresh: Begin again, even where a checkpoint lies.

        Raises:
            MlbenchError: The run failed; the journal says so too.
        """
        with RunLock(self.paths, self.run_id), StopRequest() as stop:
            if afresh:
                self.checkpoint.unlink(missing_ok=True)
            spec_hash = self.experiment.spec.hash
            resumed = self.checkpoint.exists()
            state = checkpoint.load(self.checkpoint, spec_hash) if resumed else None
            attempt = attempts_of(self.paths, self.run_id) + 1
            position = state["progress"]["position"] if state else 0
            origin = provenance(self.experiment, self.execution)
            with Journal.open(self.paths, self.run_id, attempt) as journal:
                journal.append([started(self.experiment, self.run_id, attempt, position, origin)])
                tracker = Progress(**state["progress"]) if state else Progress()
                try:
                    run = Run(self.experiment, self.execution, state)
                    tracker = run.progress
                    return self.follow(run, journal, observer, stop)
                except BaseException as error:
                    self.fail(journal, tracker, attempt, error)
                    raise
                finally:
                    observer.end()

    def follow(self, run: Run, journal: Journal, observer: Observer, stop: StopRequest) -> Ended:
        """Write down the events of a run; stop between two of them when asked to."""
        progress = run.progress
        observer.begin(self.experiment, self.run_id, progress)
        flushed = saved = monotonic()
        for event in run.events():
            before = progress.position - event.positions
            if isinstance(event, Episodes):
                complete: list[Record] = self.buffer.add(event, before)
            else:
                complete = [*self.buffer.take(), milestone(event, before)]
            observer.see(event, progress)
            moment = monotonic()
            due = not isinstance(event, Episodes) or moment - saved >= self.checkpoint_seconds
            if stop.signal or due or moment - flushed >= FLUSH_SECONDS or self.full:
                complete += self.buffer.take()
                flushed = moment
            if complete:
                journal.append(complete)
            if stop.signal or due:
                journal.sync()
                checkpoint.save(self.checkpoint, run.spec.hash, run.state())
                saved = monotonic()
            if stop.signal:
                journal.append([status("interrupted", progress.position, progress.tasks)])
                return Ended(progress, stop.exit_code)
        journal.append([status("finished", progress.position, progress.tasks)])
        journal.sync()
        return Ended(progress, 0)

    @property
    def full(self) -> bool:
        """Return whether the buffer is to be emptied."""
        return len(self.buffer) >= FLUSH_EPISODES

    def fail(
        self, journal: Journal, progress: Progress, attempt: int, error: BaseException
    ) -> None:
        """Write down why an attempt failed, as far as the disk lets us."""
        position = progress.position
        if isinstance(error, KeyboardInterrupt):
            record = status("interrupted", position, progress.tasks)
        else:
            text = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, MlbenchError):
                text = f"{type(error).__name__}: {text}"
            record = status("failed", position, progress.tasks, text)
        try:
            journal.append([*self.buffer.take(), record])
            if not isinstance(error, KeyboardInterrupt):
                log = self.paths.traceback(self.run_id, attempt)
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
                error.add_note(f"traceback in {log}")
        except (StoreError, OSError) as trouble:
            error.add_note(f"which could not be written down either: {trouble}")
