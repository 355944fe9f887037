"""Stands in for mlbench: python program.py BEHAVIOUR ... --seeds SEEDS --db DATABASE --no-ingest.

Every seed is a run BEHAVIOUR-SEED, which is also the hash of its spec.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from mlbench.notation import parse_seeds
from mlbench.store.journal import Journal, attempts_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE
from mlbench.store.states import last_status
from tests.fake_runs import FakeRun


def begin(run_id: str, seed: int, paths: StorePaths, held: ExitStack) -> tuple[FakeRun, Journal]:
    """Begin another attempt, as mlbench does: not of what finished before the lock was ours."""
    held.enter_context(RunLock(paths, run_id))
    state = last_status(paths, run_id)
    if state is not None and state.status in CONCLUSIVE:
        sys.exit(f"Error: {run_id} finished in another process meanwhile")
    run = FakeRun(run_id, attempts_of(paths, run_id) + 1)
    journal = held.enter_context(Journal.open(paths, run_id, run.attempt))
    journal.append([run.started(spec_hash=run_id, seed=seed)])
    return run, journal


def main(behaviour: str, seeds: list[int], paths: StorePaths) -> int:
    if behaviour == "misused":
        sys.stderr.write("Error: this makes no sense; say something else\n")
        return 2
    with ExitStack() as held:
        journals = [begin(f"{behaviour}-{seed}", seed, paths, held) for seed in seeds]
        match behaviour:
            case "crashes" | "culprit" if 1 in seeds:
                os.kill(os.getpid(), signal.SIGKILL)
            case "fails" if 1 in seeds:
                for run, journal in journals:
                    journal.append([run.status("failed", "no gradient at all")])
                return 1
            case "hangs":
                time.sleep(60)
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            case "leaks":
                kept = bytearray(400 << 20)
                time.sleep(60)
                return len(kept)
            case "stopped":
                for run, journal in journals:
                    journal.append([run.status("interrupted")])
                return 143
            case "slow":
                time.sleep(1.5)
        for run, journal in journals:
            journal.append([*run.whole()[1:-1], run.status()])
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    text = arguments[arguments.index("--seeds") + 1]
    database = Path(arguments[arguments.index("--db") + 1])
    chosen = list(chain.from_iterable(parse_seeds(text)))
    sys.exit(main(arguments[0], chosen, StorePaths(database)))
