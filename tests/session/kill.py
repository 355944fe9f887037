"""Run one spec again and again in children that are killed, until one of them finishes.

    python kill.py DATABASE RUN_ID KILLS SEED

Children are forked from a process that has torch imported already, so that a kill hits the run
and not the import. Prints how many children were killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from mlbench.run.device import Execution
from mlbench.run.setup import Request, prepare
from mlbench.session.drive import Attempt
from mlbench.store.paths import StorePaths

REQUEST = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=300,
    validation_tasks=20,
    validate_every=60,
    test_tasks=500,
    settings={"train_steps": "1", "test_steps": "1"},
)


class Silent:
    def begin(self, *_: object) -> None: ...
    def see(self, *_: object) -> None: ...
    def end(self) -> None: ...


def run(database: Path, run_id: str) -> None:
    execution = Execution(device="cpu", threads=1, engine="auto")
    attempt = Attempt(
        prepare(REQUEST), execution, StorePaths(database), run_id, checkpoint_seconds=0.02
    )
    attempt.drive(Silent())


def main(database: Path, run_id: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    killed = 0
    while True:
        child = os.fork()
        if child == 0:
            run(database, run_id)
            os._exit(0)
        if killed < kills:
            time.sleep(chance.uniform(0.0, 0.25))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            sys.stdout.write(f"{killed}\n")
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
