"""One contestant in this process, stepping when asked on stdin; :mod:`benchmarks.apart` asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.cases import Case
from benchmarks.measure import timed
from benchmarks.peers import Peer, load
from benchmarks.resident import forget_peak, megabytes, peak_megabytes
from mlbench.errors import MlbenchError


def questions() -> Iterator[dict[str, Any]]:
    """Yield what is asked, until nobody asks."""
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Get ready, then step whenever asked; every answer is a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**values: object) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    torch.set_num_threads(1)
    peer: Peer | None = None
    baseline = 0.0
    for question in questions():
        if peer is not None:
            cost = timed(peer.step)
            answer(cpu=cost.cpu, wall=cost.wall, peak=peak_megabytes(), baseline=baseline)
            continue
        case = Case(**question["case"])
        try:
            contestant = load(question["name"], case)
            baseline = megabytes()
            peer = contestant(case)
        except MlbenchError as error:
            answer(error=str(error))
            return
        forget_peak()
        answer()


if __name__ == "__main__":
    main()
