"""Where what was submitted to Slurm stands: by ``squeue``, and by what the jobs left behind.

Nothing here asks ``sacct``, which needs an accounting that not every cluster has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlbench.printable import printable
from mlbench.session.signals import STOPPED
from mlbench.store.paths import StorePaths
from mlbench.sweep.slurm_command import SlurmError, ask
from mlbench.sweep.slurm_record import Submission, Task, folder_of, submissions
from mlbench.sweep.slurm_turn import being_submitted

Standing = Literal["queued", "requeued", "running", "ended", "gone", "unknown"]

GOING = frozenset({"COMPLETING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"})
WAITING = frozenset(
    {
        "CONFIGURING",
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "RESV_DEL_HOLD",
        "SPECIAL_EXIT",
    }
)
EXIT = re.compile(r"(?P<index>\d+)\.exit-(?P<code>\d+)")
TAIL = 1 << 13
CHATTER = re.compile(
    r"submitit |srun: (got SIGCONT|forcing job termination|Job step aborted|error: .* Exited with)"
)


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """Where one job stands.

    Args:
        submission: What it was submitted with.
        task: What it is.
        task_id: What Slurm calls it; ``None`` if it never got there.
        standing: ``gone`` says that it left the queue without a word, ``unknown`` that Slurm
            cannot be asked.
        reason: What Slurm says: why it waits, or how it ended.
        exit_code: What it left behind where it ended.
        log: What it said; need not exist.
    """

    submission: Submission
    task: Task
    task_id: str | None
    standing: Standing
    reason: str | None
    exit_code: int | None
    log: Path

    @property
    def in_flight(self) -> bool:
        """Return whether it is queued or running, and so must not be submitted again."""
        return self.standing in {"queued", "requeued", "running"}

    @property
    def failure(self) -> str | None:
        """Return why it failed and where its log lies, for runs whose journals do not say."""
        if self.standing == "gone":
            how = "left Slurm's queue without a word"
        elif self.standing == "ended" and self.exit_code not in {0, *STOPPED}:
            how = f"exited with {self.exit_code}"
        else:
            return None
        reason = last_words(self.log) or self.reason
        if self.task_id is None:
            return f"it never reached Slurm; submit it again (log: none in {self.log.parent})"
        words = f": {reason}" if reason else ""
        return f"job {self.task_id} {how}{words} (log: {self.log})"


@dataclass(frozen=True)
class Queue:
    """Where everything stands that was submitted from a store.

    Args:
        states: Of every job; of a spec that was submitted several times, the last one.
        trouble: Why Slurm could not be asked.
    """

    states: tuple[TaskState, ...]
    trouble: str | None = None

    def by_spec(self) -> dict[str, TaskState]:
        """Return the state of what was last submitted for each spec hash."""
        return {one: state for state in self.states for one in state.task.spec_hashes}


@dataclass(frozen=True)
class Listed:
    """A line of ``squeue``."""

    state: str
    reason: str | None


def queue_states(paths: StorePaths) -> Queue:
    """Return where every job stands that was ever submitted from a store.

    What journals say of a run that ended goes before what is said here; what is in flight here
    goes before a failure in a journal, which is that of an earlier attempt.
    """
    return states_of(paths, submissions(paths), submitting=being_submitted(paths))


def states_of(
    paths: StorePaths, submitted: Iterable[Submission], *, submitting: bool = False
) -> Queue:
    """Return where jobs stand; Slurm is asked only if some of them have left no exit code.

    Args:
        paths: Where they were submitted from.
        submitted: What they were submitted as, the earliest first.
        submitting: Whether someone submits at this moment, and may not know the number yet.
    """
    records = {one.id: one for one in submitted}
    latest = {
        spec: (name, index)
        for name, one in records.items()
        for index, task in enumerate(one.tasks)
        for spec in task.spec_hashes
    }
    order = list(records)
    places = sorted(set(latest.values()), key=lambda place: (order.index(place[0]), place[1]))
    folders = {name: folder_of(paths, records[name]) for name, _ in places}
    left = {name: left_behind(folder) for name, folder in folders.items()}
    # one that was told to stop may have gone back to the queue
    unsure = (place for place in places if left[place[0]][1].get(place[1]) in {None, *STOPPED})
    names = list(dict.fromkeys(name for name, _ in unsure))
    trouble = None
    listed: dict[tuple[str, str], Listed] = {}
    if names:
        try:
            listed = squeue(names)
        except SlurmError as error:
            trouble = str(error)
        left = {name: left_behind(folder) for name, folder in folders.items()}
    states = []
    for name, index in places:
        submission = numbered(records[name], listed)
        log = folders[name] / submission.log_name(index)
        task_id = submission.task_id(index)
        files, codes = left[name]
        found = listed.get((name, task_id or ""))
        code = codes.get(index)
        standing: Standing
        if found is not None and found.state in WAITING:
            standing = "requeued" if log.name in files else "queued"
        elif found is not None and found.state in GOING:
            standing = "running"
        elif code is not None or (found is not None and found.state == "COMPLETED"):
            standing, code = "ended", code or 0
        elif trouble is not None:
            standing = "unknown"
        elif task_id is None and submitting:
            standing = "queued"
        else:
            standing = "gone"
        states.append(
            TaskState(
                submission=submission,
                task=submission.tasks[index],
                task_id=task_id,
                standing=standing,
                reason=words_of(found),
                exit_code=code if standing == "ended" else None,
                log=log,
            )
        )
    return Queue(tuple(states), trouble)


def squeue(names: Iterable[str]) -> dict[tuple[str, str], Listed]:
    """Return what Slurm knows of the jobs of some names, those that ended lately too.

    Raises:
        SlurmError: It cannot be asked.
    """
    text = ask(
        "squeue",
        "--noheader",
        "--array",
        "--states=all",
        "--format=%i|%T|%j|%r",
        f"--name={','.join(names)}",
    )
    lines = [line.split("|", 3) for line in text.splitlines()]
    return {
        (name, task_id): Listed(state, None if reason == "None" else reason)
        for task_id, state, name, reason in (line for line in lines if len(line) == 4)
    }


def numbered(submission: Submission, listed: dict[tuple[str, str], Listed]) -> Submission:
    """Return a submission with its number, if Slurm knows what whoever submitted it did not."""
    for name, task_id in listed if submission.number is None else ():
        if name == submission.id:
            return submission.with_number(task_id.partition("_")[0])
    return submission


def words_of(found: Listed | None) -> str | None:
    """Return what Slurm says of a job: why it waits, or how it ended."""
    if found is None or found.state in GOING:
        return None
    if found.state in WAITING:
        return found.reason
    return found.state if found.reason is None else f"{found.state}, {found.reason}"


def left_behind(folder: Path) -> tuple[frozenset[str], dict[int, int]]:
    """Return the files of a submission and, by index, the exit codes among them."""
    try:
        names = frozenset(os.listdir(folder))  # noqa: PTH208  of thousands
    except OSError:
        names = frozenset()
    matches = filter(None, map(EXIT.fullmatch, names))
    return names, {int(match["index"]): int(match["code"]) for match in matches}


def last_words(log: Path) -> str | None:
    """Return the last line of a log that tells something; ``None`` if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    telling = [line.strip() for line in lines if line.strip() and not CHATTER.match(line.strip())]
    return printable(telling[-1][:300]) if telling else None
