"""Drive an attempt of a run, or of a stack of runs: write down what happens, stop when asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any, Protocol

from mlbench.errors import MlbenchError, StoreError
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event
from mlbench.run.loop import Run
from mlbench.run.machine import provenance
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment
from mlbench.run.stack import Beat, Stack
from mlbench.run.together import one_program
from mlbench.session.keeper import Keeper, check_unfinished
from mlbench.session.signals import StopRequest
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths

CHECKPOINT_SECONDS = 20.0  # between two checkpoints, besides those at validations of a run alone
FLUSH_SECONDS = 0.5  # an episode waits no longer than this, or one event, for the journal


Tell = Callable[[str], None]
"""Takes a line of narration."""


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


class Computation(Protocol):
    """Runs that go on together, as one program."""

    def beats(self) -> Iterator[Beat]:
        """Yield what happens, until all have ended; after every beat, all can be saved."""

    def state(self, run: int) -> dict[str, Any]:
        """Return everything that going on with one of them needs."""

    @property
    def refused(self) -> list[str]:
        """Return why what could not be recorded on a GPU was not; to be told, and emptied."""


class Alone:
    """A run by itself, as a computation."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def beats(self) -> Iterator[Beat]:
        """Yield every event by itself."""
        return ([(0, event)] for event in self.run.events())

    def state(self, run: int) -> dict[str, Any]:
        """Return the state of the run."""
        return self.run.state()

    @property
    def refused(self) -> list[str]:
        """Return what its engine could not record."""
        return self.run.refused


class Attempts:
    """One attempt each of some runs that are computed together, to their common end.

    Args:
        experiments: What the runs are; the same but for their seed.
        execution: What they run on.
        paths: Where everything lies.
        run_ids: Their names.
        compiled: Whether their meta-step is compiled.
        checkpoint_seconds: Between two checkpoints.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        execution: Execution,
        paths: StorePaths,
        run_ids: Sequence[str],
        *,
        compiled: bool = False,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.experiments = experiments
        self.execution = execution
        self.paths = paths
        self.run_ids = run_ids
        self.compiled = compiled
        self.checkpoint_seconds = checkpoint_seconds

    @property
    def stacked(self) -> int:
        """Return how many runs are one program."""
        return len(self.run_ids)

    @cached_property
    def program(self) -> bool:
        """Return whether they, or a single one, are computed as a program of pure functions."""
        first, compiled = self.experiments[0], self.compiled
        return one_program(first, self.execution, stacked=self.stacked, compiled=compiled)

    def drive(self, observer: Observer, tell: Tell, *, afresh: bool = False) -> list[Ended]:
        """Run until the end, or until a signal.

        Args:
            observer: Told of every beat by one of its events.
            tell: Takes narration.
            afresh: Begin again, even where checkpoints lie.

        Raises:
            RunDoneError: Some have their results already; nothing was begun.
            MlbenchError: The runs failed; their journals say so too.
        """
        observer = Unheard(observer)
        with ExitStack() as held:
            for run_id in self.run_ids:
                held.enter_context(RunLock(self.paths, run_id))
            check_unfinished(self.paths, self.run_ids)
            stop = held.enter_context(StopRequest())
            pairs = zip(self.experiments, self.run_ids, strict=True)
            keepers = [Keeper(one, self.paths, run_id) for one, run_id in pairs]
            states = [saved_state(keeper, afresh=afresh) for keeper in keepers]
            progresses = [progress_of(state) if state else Progress() for state in states]
            if len({progress.place for progress in progresses}) > 1:
                raise StoreError(
                    f"{', '.join(self.run_ids)} are no longer at the same point; run that again"
                )
            origin = provenance(
                self.experiments[0],
                self.execution,
                stacked=self.stacked,
                compiled=self.compiled,
                program=self.program,
            )
            for keeper, progress in zip(keepers, progresses, strict=True):
                held.enter_context(keeper.begin(progress.position, origin))
            try:
                computation, progresses = self.computation(states)
                observer.begin(self.experiments[0], self.run_ids[0], progresses[0])
                return self.follow(computation, keepers, progresses, observer, tell, stop)
            except BaseException as error:
                for keeper, progress in zip(keepers, progresses, strict=True):
                    keeper.fail(progress, error)
                raise
            finally:
                observer.end()

    def computation(
        self, states: list[dict[str, Any] | None]
    ) -> tuple[Computation, list[Progress]]:
        """Return what computes the runs, and where each of them is."""
        if not self.program:
            run = Run(self.experiments[0], self.execution, states[0])
            return Alone(run), [run.progress]
        stack = Stack(self.experiments, self.execution, states, compiled=self.compiled)
        return stack, [course.progress for course in stack.courses]

    def follow(
        self,
        computation: Computation,
        keepers: list[Keeper],
        progresses: list[Progress],
        observer: Observer,
        tell: Tell,
        stop: StopRequest,
    ) -> list[Ended]:
        """Write down what happens; stop between two beats when asked to."""
        flushed = saved = monotonic()
        shown = 0
        for beat in computation.beats():
            take(beat, keepers, progresses)
            told = dict(reversed(beat))
            if shown not in told:  # it diverged, and others go on
                shown = min(told)
                observer.end()
                observer.begin(self.experiments[shown], self.run_ids[shown], progresses[shown])
            observer.see(told[shown], progresses[shown])
            while computation.refused:
                reason = computation.refused.pop()
                tell(f"Launched operation by operation, and so slower: {reason}.")
            moment = monotonic()
            due = moment - saved >= self.checkpoint_seconds
            # in a stack, validations may come faster than checkpoints of all runs can be written
            due = due or (self.stacked == 1 and not isinstance(told[0], Episodes))
            stopped = bool(stop.signal)  # asked once: what is saved has to be what was flushed
            whole = stopped or due or moment - flushed >= FLUSH_SECONDS
            for keeper in keepers:
                if whole or keeper.pressing:
                    keeper.flush(whole=whole or keeper.full)
            if whole:
                flushed = moment
            if stopped or due:
                for run, keeper in enumerate(keepers):
                    keeper.save(computation.state(run))
                saved = monotonic()
            if stopped:
                for keeper, progress in zip(keepers, progresses, strict=True):
                    keeper.interrupted(progress)
                return [Ended(one, finished=False, exit_code=stop.exit_code) for one in progresses]
        for keeper, progress in zip(keepers, progresses, strict=True):
            keeper.finished(progress)
        return [Ended(one, finished=True, exit_code=stop.exit_code) for one in progresses]


def take(beat: Beat, keepers: Sequence[Keeper], progresses: Sequence[Progress]) -> None:
    """Pass events on with the position at which each begins; the progress is that after them all.

    A run may have several events in a beat.
    """
    positions = {run: progresses[run].position for run, _ in beat}
    for run, event in beat:
        positions[run] -= event.positions
    for run, event in beat:
        keepers[run].take(event, positions[run])
        positions[run] += event.positions


class Attempt:
    """One attempt of one run by itself, from its beginning or its last checkpoint to its end."""

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
        self.checkpoint = paths.checkpoint(run_id)
        self.attempts = Attempts(
            [experiment], execution, paths, [run_id], checkpoint_seconds=checkpoint_seconds
        )

    def drive(self, observer: Observer, *, afresh: bool = False) -> Ended:
        """Run until the end, or until a signal, as :meth:`Attempts.drive` does."""
        (ended,) = self.attempts.drive(observer, print, afresh=afresh)
        return ended


def saved_state(keeper: Keeper, *, afresh: bool) -> dict[str, Any] | None:
    """Return what to go on from; what cannot be gone on from is written down as failed."""
    try:
        state = keeper.saved_state(afresh=afresh)
        if state is not None:
            progress_of(state)
    except MlbenchError as error:
        keeper.refuse(error)
        raise
    return state
