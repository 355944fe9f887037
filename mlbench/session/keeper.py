"""What one attempt of one run leaves behind: a journal, checkpoints, and why it ended."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlbench.errors import CheckpointError, MlbenchError, RunDoneError, StoreError
from mlbench.run import checkpoint
from mlbench.run.events import Episodes, Event
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment
from mlbench.session.record import EpisodeBuffer, milestone, started, status
from mlbench.store.journal import Journal, attempts_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE, FinalStatus, Record
from mlbench.store.states import last_status

FLUSH_EPISODES = 2_000  # wait for the journal, and no more
LAST_POSITION = 2**62  # after all that a run can record


class Keeper:
    """Writes down what one run tells. The caller holds the run's lock.

    Args:
        experiment: What the run is.
        paths: Where everything lies.
        run_id: Its name.
    """

    journal: Journal

    def __init__(self, experiment: Experiment, paths: StorePaths, run_id: str) -> None:
        self.experiment = experiment
        self.paths = paths
        self.run_id = run_id
        self.attempt = attempts_of(paths, run_id) + 1
        self.buffer = EpisodeBuffer()
        self.complete: list[Record] = []
        self.ended = False  # whether the last word on the run is written

    @property
    def checkpoint(self) -> Path:
        """Return where this run's checkpoint lies."""
        return self.paths.checkpoint(self.run_id)

    def saved_state(self, *, afresh: bool) -> dict[str, Any] | None:
        """Return what the last checkpoint holds; ``None`` to begin at the beginning.

        Raises:
            CheckpointError: It is damaged, of another spec, or without the journals before it.
        """
        if afresh:
            self.checkpoint.unlink(missing_ok=True)
        if not self.checkpoint.exists():
            return None
        if self.attempt == 1:
            raise CheckpointError(
                f"checkpoint {self.checkpoint} goes on from journals that are not in"
                f" {self.paths.journals}; bring them back, or delete it to begin that run again"
            )
        return checkpoint.load(self.checkpoint, self.experiment.spec.hash)

    def refuse(self, error: MlbenchError) -> None:
        """Write down, after the last attempt, why there cannot be another."""
        refuse(self.paths, self.run_id, error)

    def begin(self, position: int, origin: dict[str, Any]) -> Journal:
        """Open the journal of this attempt and write its first line; the caller closes it."""
        first = started(self.experiment, self.run_id, self.attempt, position, origin)
        self.journal = Journal.open(self.paths, self.run_id, self.attempt)
        try:
            self.journal.append([first])
        except BaseException:
            self.journal.close()
            raise
        return self.journal

    def take(self, event: Event, position: int) -> None:
        """Take an event in that begins at a position; it is written by the next :meth:`flush`."""
        if isinstance(event, Episodes):
            self.complete += self.buffer.add(event, position)
        else:
            self.complete += [*self.buffer.take(), milestone(event, position)]

    @property
    def full(self) -> bool:
        """Return whether the buffer is to be emptied."""
        return len(self.buffer) >= FLUSH_EPISODES

    @property
    def pressing(self) -> bool:
        """Return whether there is something to write before its time."""
        return bool(self.complete) or self.full

    def flush(self, *, whole: bool) -> None:
        """Write what is complete, and what may yet be added to if ``whole``."""
        records, self.complete = self.complete, []
        if whole:
            records += self.buffer.take()
        if records:
            self.journal.append(records)

    def save(self, state: dict[str, Any]) -> None:
        """Save a checkpoint, after what it goes on from has reached the disk."""
        self.journal.sync()
        checkpoint.save(self.checkpoint, self.experiment.spec.hash, state)

    def interrupted(self, progress: Progress) -> None:
        """Write down that the attempt was stopped."""
        self.journal.append([status("interrupted", progress.position, progress.tasks)])

    def finished(self, progress: Progress) -> None:
        """Write down that the run has its result."""
        final: FinalStatus = "diverged" if progress.diverged else "finished"
        end = status(final, progress.position, progress.tasks, progress.remark)
        self.flush(whole=True)
        self.journal.append([end])
        self.ended = True
        self.journal.sync()

    def fail(self, progress: Progress, error: BaseException) -> None:
        """Write down why the attempt failed, as far as the disk lets us, unless the run has ended.

        Of several runs that fail together, the first to write it down tells where.
        """
        if self.ended:
            return
        position = progress.position
        if isinstance(error, KeyboardInterrupt):
            record = status("interrupted", position, progress.tasks)
        else:
            text = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, MlbenchError):
                text = f"{type(error).__name__}: {text}"
            record = status("failed", position, progress.tasks, text)
        try:
            self.journal.append([*self.complete, *self.buffer.take(), record])
            if not isinstance(error, KeyboardInterrupt):
                log = self.paths.traceback(self.run_id, self.attempt)
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
                note(error, f"traceback in {log}")
        except (StoreError, OSError) as trouble:
            note(error, f"which could not be written down either: {trouble}")


def note(error: BaseException, text: str) -> None:
    """Add to what is told of an error, unless something was added before."""
    if not getattr(error, "__notes__", ()):
        error.add_note(text)


def refuse(paths: StorePaths, run_id: str, error: MlbenchError) -> None:
    """Write down, after the last attempt of a run, why there cannot be another.

    A run that has its result keeps it: it was another process's while this one found its reason.
    """
    state = last_status(paths, run_id)
    if state is not None and state.status in CONCLUSIVE:
        return
    attempts = attempts_of(paths, run_id)
    if not attempts:
        return
    try:
        with Journal.reopen(paths, run_id, attempts) as journal:
            journal.append([status("failed", LAST_POSITION, 0, str(error))])
    except StoreError as trouble:
        error.add_note(f"which could not be written down either: {trouble}")


def declare_failed(paths: StorePaths, run_id: str, reason: str) -> None:
    """Write down why a run failed whose process died without a word.

    Raises:
        StoreError: A process is running it.
    """
    with RunLock(paths, run_id):
        refuse(paths, run_id, StoreError(reason))


def check_unfinished(paths: StorePaths, run_ids: Sequence[str]) -> None:
    """Refuse runs that have their result; the caller holds their locks.

    What they were when it was decided to run them is no longer true if another process ran them
    between that and the locks, and another attempt would put its episodes in the place of theirs.

    Raises:
        RunDoneError: Some have theirs.
    """
    states = [last_status(paths, run_id) for run_id in run_ids]
    done = tuple(state.run_id for state in states if state and state.status in CONCLUSIVE)
    if done:
        raise RunDoneError(
            f"{', '.join(done)} finished in another process meanwhile; the same command shows what"
            " was found",
            done,
        )


def saved_place(experiment: Experiment, paths: StorePaths, run_id: str) -> object:
    """Return where a run would go on: equal for runs that can go on together.

    A checkpoint that cannot be used has a place of its own; its run is refused when it goes on.
    """
    path = paths.checkpoint(run_id)
    if not path.exists():
        return Progress().place
    try:
        return progress_of(checkpoint.load(path, experiment.spec.hash)).place
    except CheckpointError as error:
        return str(error)
