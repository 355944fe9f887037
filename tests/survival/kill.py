"""Kill runs at random points, go on with them, and compare them with one that nobody touched.

    python -m tests.survival.kill DATABASE CASE KILLS SEED

Children are forked from a process that has imported everything and knows the data, so that a kill
hits the run and not its preparation. One run, ``whole``, is left alone; others, ``killed-1``
and so on, are killed again and again, each until it has taken its share or finished. Prints what
was hit and what differs, as JSON.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mlbench.errors import RunDoneError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event
from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.session.drive import Attempt
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.user_sql import sql

IMAGES = {
    **{f"{data}.{split}_classes": "6" for data in ("shapes", "glyphs")
       for split in ("train", "validation", "test")},
    **{f"{data}.images_per_class": "12" for data in ("shapes", "glyphs")},
}  # fmt: skip
CASES = {
    "sine": Request(
        algorithm="maml",
        train="sine",
        queries=10,
        train_tasks=300,
        validation_tasks=20,
        validate_every=60,
        test_tasks=500,
        settings={"train_steps": "1", "test_steps": "1"},
    ),
    "images": Request(
        algorithm="maml",
        train="shapes",
        evals=("glyphs",),
        ways=3,
        shots=1,
        queries=2,
        train_tasks=80,
        validation_tasks=8,
        validate_every=20,
        test_tasks=24,
        settings={"train_steps": "1", "test_steps": "1", "learner.channels": "4", **IMAGES},
    ),
}
SHARE = 10  # kills of one run
AT_START = 0.2  # share of kills that come before the first event
SPAN = {"sine": 0.15, "images": 0.4}  # seconds of work, at most, between two kills
POINTS = ("starting", "validating", "training", "testing", "saving a checkpoint")
EPISODES = """
    SELECT phase, eval_dataset, episode, step, loss, score, episode_key, position
    FROM episodes WHERE run_id = '{}' ORDER BY position
"""
VALIDATIONS = "SELECT step, loss, score, best FROM validations WHERE run_id = '{}' ORDER BY step"
TESTS = """
    SELECT eval_dataset, score, score_sd, score_median, loss FROM test_scores
    WHERE run_id = '{}' ORDER BY eval_dataset
"""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What became of runs that were killed.

    Args:
        runs: How many.
        kills: How many, in all.
        began: How many attempts had a journal.
        hits: How many kills came at which point.
        episodes: Of each run.
        different: Runs that differ from the one left alone, and in what.
    """

    runs: int
    kills: int
    began: int
    hits: dict[str, int]
    episodes: int
    different: list[str]


class Marker:
    """Follows a run and marks, where its parent can see it, at which point it is."""

    def __init__(self) -> None:
        self.shared = mmap.mmap(-1, 1)

    def mark(self, point: str) -> None:
        self.shared[0] = POINTS.index(point)

    @property
    def point(self) -> str:
        return POINTS[self.shared[0]]

    def begin(self, *_: object) -> None: ...

    def see(self, event: Event, progress: Progress) -> None:
        if isinstance(event, Episodes):
            self.mark({"train": "training", "test": "testing"}.get(event.phase, "validating"))

    def end(self) -> None: ...


def run(experiment: Experiment, paths: StorePaths, run_id: str, marker: Marker) -> None:
    """Run, or go on, in a child."""
    save = checkpoint.save

    def save_marked(*arguments: Any) -> None:
        before = marker.point
        marker.mark("saving a checkpoint")
        save(*arguments)
        marker.mark(before)

    checkpoint.save = save_marked  # type: ignore[assignment]
    execution = Execution(device="cpu", threads=1, engine="auto")
    attempt = Attempt(experiment, execution, paths, run_id, checkpoint_seconds=0.02)
    with suppress(RunDoneError):  # by the attempt before, whether or not a kill hit it after that
        attempt.drive(marker)


def forked(experiment: Experiment, paths: StorePaths, run_id: str, marker: Marker) -> int:
    """Return the child that runs it."""
    marker.mark("starting")
    if child := os.fork():
        return child
    code = 1
    try:
        run(experiment, paths, run_id, marker)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # what libraries started does not survive a fork, nor does it end


def kill(case: str, paths: StorePaths, kills: int, seed: int) -> Killed:
    """Kill runs until the kills are spent, let the last one finish, and compare.

    Raises:
        ChildProcessError: A run that nobody killed failed.
    """
    chance, marker, hits = random.Random(seed), Marker(), Counter[str]()
    experiment = prepare(CASES[case])
    importlib.import_module("torch._dynamo")  # which the first optimiser imports, for seconds
    settle(forked(experiment, paths, "whole", marker))
    names: list[str] = []
    while sum(hits.values()) < kills:
        names.append(f"killed-{len(names) + 1}")
        for _ in range(min(SHARE, kills - sum(hits.values()))):
            child = forked(experiment, paths, names[-1], marker)
            wait_for_work(child, marker, at_start=chance.random() < AT_START)
            time.sleep(chance.uniform(0, SPAN[case]))
            os.kill(child, signal.SIGKILL)
            if not settle(child):
                break
            hits[marker.point] += 1
        settle(forked(experiment, paths, names[-1], marker))
    return compared(paths, experiment, names, hits)


def wait_for_work(child: int, marker: Marker, *, at_start: bool) -> None:
    """Wait until a child has begun to work, or has ended, unless it is not to get that far."""
    while not at_start and marker.point == "starting":
        time.sleep(0.001)
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return


def settle(child: int) -> bool:
    """Wait for a child; return whether it was killed."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in {0, -signal.SIGKILL}:
        raise ChildProcessError(f"a run ended with code {code}")
    return code != 0


def compared(
    paths: StorePaths, experiment: Experiment, names: list[str], hits: Counter[str]
) -> Killed:
    """Compare runs with the one that was left alone, to the last bit."""
    began = list_runs(paths)
    states = {name: state_of(paths, experiment, name) for name in ("whole", *names)}
    different = []
    for name in names:
        for what, query in (
            ("episodes", EPISODES),
            ("validations", VALIDATIONS),
            ("tests", TESTS),
        ):
            if not sql(paths, query.format(name)).equals(sql(paths, query.format("whole"))):
                different.append(f"{name}: {what}")
        if not same(states[name], states["whole"]):
            different.append(f"{name}: state")
    if set(began["status"]) != {"finished"}:
        different.append(f"statuses: {began['status'].to_list()}")
    return Killed(
        runs=len(names),
        kills=sum(hits.values()),
        began=sum(began["attempts"]) - 1,
        hits=dict(hits.most_common()),
        episodes=sql(paths, EPISODES.format("whole")).height,
        different=different,
    )


def state_of(paths: StorePaths, experiment: Experiment, run_id: str) -> Any:
    """Return the learnt parameters that a run ended with, and the best ones."""
    state = checkpoint.load(paths.checkpoint(run_id), experiment.spec.hash)
    return state["meta"], state["best"]


def same(one: Any, other: Any) -> bool:
    """Return whether nested tensors are equal, bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def main() -> None:
    """Kill, and print what came of it."""
    database, case, kills, seed = sys.argv[1:]
    torch.set_num_threads(1)
    killed = kill(case, StorePaths(Path(database)), int(kills), int(seed))
    sys.stdout.write(json.dumps(asdict(killed)) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
