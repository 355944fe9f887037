"""Does the jobs of a sweep by processes of this machine: one crashes, the others go on."""

from __future__ import annotations

import signal
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlbench.errors import StoreError
from mlbench.session.drive import Tell
from mlbench.session.keeper import declare_failed
from mlbench.session.process import Launch, spawn
from mlbench.session.signals import STOPPED, StopRequest
from mlbench.store.feed import Feed
from mlbench.store.ingest import refresh
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.store.states import RunState
from mlbench.sweep.job import Job
from mlbench.sweep.limits import GRACE, Limits, Watch, kill, terminate
from mlbench.sweep.standing import Standing, standing_of
from mlbench.sweep.tally import Failure, Tally

LOOK_SECONDS = 0.5  # between two looks at the processes
INGEST_SECONDS = 20.0  # between two ingests while others go on


@dataclass
class Active:
    """A job under way.

    Args:
        slot: Which place it takes.
        reason: Why it is being stopped by us; ``None`` while it is not.
        killed_at: When it is killed, if it has not stopped until then.
    """

    job: Job
    launch: Launch
    watch: Watch
    slot: int
    reason: str | None = None
    killed_at: float = float("inf")
    rows: tuple[RunRow, ...] = ()


class View(Protocol):
    """Shows a sweep while it goes on."""

    def show(self, active: Sequence[Active], tally: Tally) -> None:
        """Show how things stand."""

    def end(self) -> None:
        """Show nothing more."""


class Pool:
    """Runs jobs, some at a time.

    Args:
        paths: Where runs are kept.
        jobs: What to do, in order.
        slots: The variables that the process in each place is given; as many run at a time.
        limits: Of each process.
        tally: What is known at the beginning; kept up to date.
        view: Shows it.
        tell: Takes narration.
    """

    def __init__(
        self,
        paths: StorePaths,
        jobs: Sequence[Job],
        slots: Sequence[Mapping[str, str]],
        limits: Limits,
        tally: Tally,
        view: View,
        tell: Tell,
    ) -> None:
        self.paths = paths
        self.waiting = deque(jobs)
        self.elsewhere: list[Job] = []  # their runs are computed by other processes
        self.slots = slots
        self.limits = limits
        self.tally = tally
        self.view = view
        self.tell = tell
        self.active: list[Active] = []
        self.feed = Feed(paths)
        self.host = socket.gethostname()
        self.ingested = time.monotonic()
        self.trouble: str | None = None  # why journals could not be taken in last

    def run(self) -> int:
        """Do all jobs; return 0, or 128 plus the signal that asked to stop.

        Raises:
            StoreError: No process can be started.
        """
        with StopRequest("Stopping all runs, their state saved; Ctrl-C kills them.") as stop:
            try:
                while self.waiting or self.active or self.elsewhere:
                    if stop.signal:
                        self.stop_all()
                        return stop.exit_code
                    self.look()
                    time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                for one in self.active:
                    kill(one.launch.pid)
                raise
            except BaseException:
                self.stop_all()
                raise
            finally:
                self.view.end()
                self.take_in()
        return 0

    def take_in(self) -> None:
        """Bring journals into the database; what prevents it is told once, and stops no run."""
        self.ingested = time.monotonic()
        try:
            trouble = refresh(self.paths).waiting
        except StoreError as error:
            trouble = str(error)
        if trouble and trouble != self.trouble:
            self.tell(f"The episodes wait in {self.paths.journals}: {trouble}")
        self.trouble = trouble

    def look(self) -> None:
        """Begin what can be begun, see what has ended, stop what takes too much."""
        self.fill()
        snapshot = self.feed.poll()
        for one in list(self.active):
            self.follow(one, snapshot)
        if time.monotonic() - self.ingested > INGEST_SECONDS:
            self.take_in()
        self.view.show(self.active, self.tally)

    def fill(self) -> None:
        """Begin jobs while there are places; what other processes run is looked at again later."""
        if len(self.active) < len(self.slots) and not self.waiting and self.elsewhere:
            self.waiting.extend(self.elsewhere)
            self.elsewhere = []
        while self.waiting and len(self.active) < len(self.slots):
            self.begin(self.waiting.popleft())

    def begin(self, job: Job) -> None:
        """Begin a job, but for those of its runs that others have done or are doing."""
        standing = standing_of(job, self.paths)
        left = self.sort_out(job, standing)
        if not left:
            return
        job = job.narrowed(left)
        taken = {one.slot for one in self.active}
        slot = next(number for number in range(len(self.slots)) if number not in taken)
        launch = spawn(self.paths, job.arguments, self.slots[slot])
        self.active.append(Active(job, launch, Watch(launch.pid, self.limits), slot))

    def sort_out(self, job: Job, standing: Standing) -> list[str]:
        """Count the runs of a job that are done, keep those that others do, return the others."""
        self.tally.done += len(standing.done)
        if standing.busy:
            self.elsewhere.append(job.narrowed(standing.busy))
        return standing.open

    def follow(self, one: Active, snapshot: Snapshot) -> None:
        """See how a job stands."""
        code = one.launch.poll()
        if code is not None:
            self.active.remove(one)
            self.end(one, code)
            return
        one.rows = tuple(
            row
            for row in snapshot.runs
            if row.pid == one.launch.pid and row.host == self.host and row.status == "running"
        )
        one.watch.hear([(row.run_id, row.phase, row.phase_done) for row in one.rows])
        if one.reason is None and (found := one.watch.exceeded()):
            one.reason, patient = found
            one.killed_at = time.monotonic() + (GRACE if patient else 0)
            terminate(one.launch.pid)
        if time.monotonic() >= one.killed_at:
            kill(one.launch.pid)

    def end(self, one: Active, code: int) -> None:
        """Take note of how a job ended, by what its journals say and otherwise by its process."""
        job, standing = one.job, standing_of(one.job, self.paths)
        open_ = self.sort_out(job, standing)
        if not open_:
            return
        states = standing.states
        if one.reason is None and code in STOPPED:
            self.tally.stopped += len(open_)
            self.tell(f"{job.label}: stopped from outside; its state is saved")
            return
        errors = [
            s.error for h in open_ if (s := states.get(h)) and s.status == "failed" and s.error
        ]
        said = errors[0] if errors else one.launch.last_words()
        word = None if one.reason or code > 128 else said
        reason = one.reason or word or signal_text(code - 128)
        if len(open_) > 1:
            self.tell(f"{job.label}: {reason}; its {len(open_)} runs go on one by one")
            self.waiting.extend(job.narrowed(open_).split(word))
            return
        self.fail(one, job.narrowed(open_), reason, states)

    def fail(self, one: Active, job: Job, reason: str, states: Mapping[str, RunState]) -> None:
        """Write down that a run failed, here and in its journal, unless that says so itself.

        Of runs whose common program failed with a word, the others are given up when one of them
        fails by itself with the same.
        """
        state = states.get(job.spec_hashes[0])
        if state is not None and state.status != "failed":
            declare_failed(self.paths, state.run_id, reason)
        self.failed(job, reason, state, one.launch.log)
        if job.stack_error == reason:
            for other in [
                w for w in self.waiting if w.label == job.label and w.stack_error == reason
            ]:
                self.waiting.remove(other)
                self.failed(other, reason, states.get(other.spec_hashes[0]), one.launch.log)

    def failed(self, job: Job, reason: str, state: RunState | None, log: Path | None) -> None:
        """Keep what is to be told of a failure at the end."""
        label = f"{job.label}, seed {job.seeds[0]}"
        run_id = state.run_id if state else None
        self.tally.failures.append(Failure(label, reason, job.command, run_id, log))
        self.tell(f"{label} failed: {reason}")

    def stop_all(self) -> None:
        """Ask every process to save its state and stop, and wait for it."""
        for one in self.active:
            terminate(one.launch.pid)
        until = time.monotonic() + GRACE
        while any(one.launch.poll() is None for one in self.active):
            time.sleep(LOOK_SECONDS / 5)
            if time.monotonic() > until:
                for one in self.active:
                    kill(one.launch.pid)


def signal_text(number: int) -> str:
    """Return what it means that a process died of a signal."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name == "SIGKILL":
        return "it was killed by SIGKILL from outside: most likely the system, for want of memory"
    return f"it crashed with {name}"
