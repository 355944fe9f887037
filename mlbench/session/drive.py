"""Drive one attempt of a run: journal what happens, save checkpoints, stop when asked to."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from mlbench.errors import CheckpointError, MlbenchError, StoreError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event
from mlbench.run.loop import Run
from mlbench.run.machine import provenance
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment
from mlbench.session.record import EpisodeBuffer, milestone, started, status
from mlbench.session.signals import StopRequest
from mlbench.store.journal import Journal, attempts_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import FinalStatus, Record

CHECKPOINT_SECONDS = 20.0  # between two checkpoints, besides those at validations
FLUSH_SECONDS = 0.5  # an episode waits no longer than this, or one event, for the journal
FLUSH_EPISODES = 2_000
LAST_POSITION = 2**62  # after all that a run can record


class Observer(Protocol):
    """Follows a run while it goes on."""

    def begin(self, experiment: Experiment, run_id: str, progress: Progress) -> None:
        """Learn what runs, and where it goes on from."""

    def see(self, event: Event, progress: Progress) -> None:
        """Learn what happened."""

    def end(self) -> None:
        """Learn that the attempt is over, however it ended."""


class Unheard:
    """Passes on to an observer until nobody hears it: a closed terminal stops no run."""

    def __init__(self, observer: Observer) -> None:
        self.observer: Observer | None = observer

    def begin(self, experiment: Experiment, run_id: str, progress: Progress) -> None:
        """Pass it on."""
        self.pass_on("begin", experiment, run_id, progress)

    def see(self, event: Event, progress: Progress) -> None:
        """Pass it on."""
        self.pass_on("see", event, progress)

    def end(self) -> None:
        """Pass it on."""
        self.pass_on("end")

    def pass_on(self, method: str, *arguments: Any) -> None:
        """Call a method of the observer, the last time if it cannot write."""
        if self.observer is not None:
            try:
                getattr(self.observer, method)(*arguments)
            except OSError:
                self.observer = None


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Args:
        progress: Where the run got to.
        finished: Whether that is its end, reached or diverged; there is nothing to go on with.
        exit_code: 128 plus the signal when one came, else 0.
    """

    progress: Progress
    finished: bool
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
        observer = Unheard(observer)
        with RunLock(self.paths, self.run_id), StopRequest() as stop:
            before = attempts_of(self.paths, self.run_id)
            try:
                state = self.saved_state(before, afresh=afresh)
                progress = progress_of(state) if state else Progress()
            except MlbenchError as error:
                refuse(self.paths, self.run_id, error)
                raise
            attempt = before + 1
            origin = provenance(self.experiment, self.execution)
            with Journal.open(self.paths, self.run_id, attempt) as journal:
                journal.append(
                    [started(self.experiment, self.run_id, attempt, progress.position, origin)]
                )
                try:
                    run = Run(self.experiment, self.execution, state)
                    progress = run.progress
                    return self.follow(run, journal, observer, stop)
                except BaseException as error:
                    self.fail(journal, progress, attempt, error)
                    raise
                finally:
                    observer.end()

    def saved_state(self, attempts: int, *, afresh: bool) -> dict[str, Any] | None:
        """Return what the last checkpoint holds; ``None`` to begin at the beginning.

        Raises:
            CheckpointError: It is damaged, of another spec, or without the journals before it.
        """
        if afresh:
            self.checkpoint.unlink(missing_ok=True)
        if not self.checkpoint.exists():
            return None
        if not attempts:
            raise CheckpointError(
                f"checkpoint {self.checkpoint} goes on from journals that are not in"
                f" {self.paths.journals}; bring them back, or delete it to begin that run again"
            )
        return checkpoint.load(self.checkpoint, self.experiment.spec.hash)

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
                return Ended(progress, finished=False, exit_code=stop.exit_code)
        final: FinalStatus = "diverged" if progress.diverged else "finished"
        journal.append([status(final, progress.position, progress.tasks, progress.remark)])
        journal.sync()
        return Ended(progress, finished=True, exit_code=stop.exit_code)

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


def refuse(paths: StorePaths, run_id: str, error: MlbenchError) -> None:
    """Write down, after the last attempt of a run, why there cannot be another."""
    attempts = attempts_of(paths, run_id)
    if not attempts:
        return
    try:
        with Journal.reopen(paths, run_id, attempts) as journal:
            journal.append([status("failed", LAST_POSITION, 0, str(error))])
    except StoreError as trouble:
        error.add_note(f"which could not be written down either: {trouble}")
