"""Second-order MAML on waves against its peers: T = 5, 5-shot, 50 queries, 25 tasks a meta-step.

    python -m benchmarks.sine             # three minutes
    python -m benchmarks.sine --quick

All take turns in one process with one thread; the ratio is how many times more CPU-seconds
torchopt takes. Memory is measured in a process for each.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.apart import Apart
from benchmarks.cases import Case
from benchmarks.measure import interleaved, median_cpu, median_wall, ratios, timed, turn
from benchmarks.peers import Peer, entered
from benchmarks.shown import options, show, tell_machine
from mlbench.cli.progress import tell
from mlbench.errors import MlbenchError

CASE = Case(side=None, shots=5, queries=50, steps=5, tasks=25)
CONTESTANTS = (
    "torchopt",
    "learn2learn",
    "higher",
    "plain loop",
    "torch.func",
    "mlbench, loop",
    "mlbench, stacked",
    "mlbench, traced",
    "mlbench, compiled",
)
PREPARED = CONTESTANTS[-2:]  # these make a program first
REFERENCES = ("torchopt", "plain loop")
"""What others are compared with: the first of these that can take part."""


def main() -> None:
    """Measure and print."""
    asked = options(__doc__).parse_args()
    tell_machine()
    torch.set_num_threads(1)
    show(measure(asked.rounds or (3 if asked.quick else 21)), asked.form)


def measure(rounds: int) -> list[dict[str, Any]]:
    """Return a row for every contestant."""
    peers: dict[str, Peer] = {}
    for name in CONTESTANTS:
        first = timed(partial(enter_into, peers, name))
        if name in PREPARED and name in peers:
            tell(f"{name}: the first step is over after {first.wall:.1f} s")
    turns = {name: turn(peer.step) for name, peer in peers.items()}
    reference = next(name for name in REFERENCES if name in turns)
    costs = interleaved(turns, rounds)
    rows = []
    for name, own in costs.items():
        ratio = ratios(costs[reference], own)
        rows.append(
            {
                "contestant": name,
                "CPU ms/task": 1000 * median_cpu(own) / CASE.tasks,
                "ms/task": 1000 * median_wall(own) / CASE.tasks,
                f"speed ({reference} = 1)": ratio.median,
                "from": ratio.low,
                "to": ratio.high,
                "MB": memory(name),
            }
        )
    return rows


def enter_into(peers: dict[str, Peer], name: str) -> None:
    """Add a contestant, after its first step, unless it is absent."""
    for peer in entered([name], CASE, tell).values():
        peer.step()
        peers[name] = peer


def memory(name: str) -> float | None:
    """Return what two meta-steps take at most, in a process of their own."""
    try:
        with Apart(name, CASE) as contestant:
            contestant.step()
            contestant.step()
            return contestant.megabytes
    except MlbenchError as error:
        tell(str(error))
        return None


if __name__ == "__main__":
    main()
