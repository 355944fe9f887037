"""Which runs of a job are done, which somebody is running, and which are left to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlbench.session.launch import HASH_IN_NAME
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE
from mlbench.store.states import RunState, states_by_spec
from mlbench.sweep.job import Job


@dataclass(frozen=True)
class Standing:
    """How the runs of a job stand, by the hashes of their specs.

    Args:
        done: Which have their results.
        busy: Which some process is running.
        open: Which neither have theirs nor are being run.
        states: What the journals say, of all runs.
    """

    done: list[str]
    busy: list[str]
    open: list[str]
    states: Mapping[str, RunState]


def standing_of(job: Job, paths: StorePaths) -> Standing:
    """Return how the runs of a job stand.

    Locks, which a run takes before it writes, are looked at before journals, and what was seen
    running counts as running: a run that ends between two looks is looked at again later, rather
    than taken for one that nobody did.
    """
    locks = [lock.stem for lock in paths.locks.glob("*.lock")]
    held = {
        one
        for one in job.spec_hashes
        if any(one[:HASH_IN_NAME] in name and is_alive(paths, name) for name in locks)
    }
    states = states_by_spec(paths)
    done, busy, left = [], [], []
    for one in job.spec_hashes:
        state = states.get(one)
        if state is not None and state.status in CONCLUSIVE:
            done.append(one)
        elif one in held or (state is not None and state.status == "running"):
            busy.append(one)
        else:
            left.append(one)
    return Standing(done, busy, left, states)
