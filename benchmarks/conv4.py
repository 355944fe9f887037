"""Second-order MAML on Conv4 against its peers, and against the limit of direct convolution.

    python -m benchmarks.conv4            # half an hour
    python -m benchmarks.conv4 --quick

T = 5, 5-way, 16 queries a class, one task a meta-step, one thread. First every contestant is in a
process of its own with the memory allocator as it leaves it, which is how people run it; there
its memory is measured, too. Then all are in one process, with the allocator set up as a run of
ours sets it up. The limit is what all convolutions that such a step cannot do without take by
themselves (benchmarks/convolutions.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from benchmarks.apart import Apart
from benchmarks.cases import Case
from benchmarks.convolutions import Limit
from benchmarks.measure import Cost, interleaved, median_cpu, median_wall, ratios, timed
from benchmarks.peers import entered
from benchmarks.shown import options, show, tell_machine
from mlbench.cli.progress import tell
from mlbench.errors import MlbenchError
from mlbench.run.device import keep_memory

CASES = (Case(side=84, shots=5), Case(side=84, shots=1), Case(side=28, shots=5))
QUICK = (Case(side=28, shots=1, steps=2),)
CONTESTANTS = ("learn2learn", "higher", "torchopt", "plain loop", "mlbench")
OURS = "mlbench"
LIMIT = "convolutions alone"


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--contestants", nargs="+", default=CONTESTANTS, help="who takes part")
    parser.add_argument("--only", default="", metavar="TEXT", help="tasks named so: 84x84, 1-shot")
    asked = parser.parse_args()
    tell_machine()
    torch.set_num_threads(1)
    rounds = asked.rounds or (1 if asked.quick else 5)
    cases = [case for case in (QUICK if asked.quick else CASES) if asked.only in case.label]
    rows = []
    for case in cases:
        tell(f"{case.label}, each in a process of its own")
        rows += apart(case, asked.contestants, rounds)
    keep_memory()
    for case in cases:
        tell(f"{case.label}, all in one process")
        rows += together(case, asked.contestants, rounds)
    show(rows, asked.form)


def apart(case: Case, names: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Return a row for every contestant, each of which has a process of its own."""
    with ExitStack() as stack:
        here = {}
        for name in names:
            try:
                here[name] = stack.enter_context(Apart(name, case))
            except MlbenchError as error:
                tell(f"left out: {error}")
        for contestant in here.values():
            contestant.step()
        costs = interleaved({name: each.step for name, each in here.items()}, rounds)
        memory = {name: each.megabytes for name, each in here.items()}
    return rows_of(case, "apart", costs, memory)


def together(case: Case, names: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Return a row for every contestant and one for the limit, all of them in this process."""
    peers = entered(names, case, tell)
    for peer in peers.values():
        peer.step()
    limit = Limit(case)
    limit.turn()
    turns = {name: lambda step=peer.step: timed(step) for name, peer in peers.items()}
    costs = interleaved({**turns, LIMIT: limit.turn}, rounds)
    tell(
        f"{case.label}: {limit.at_best:.2f} CPU-seconds a task if every convolution were done at"
        f" the {2 * limit.fastest / 1e9:.0f} GFLOP/s of the fastest"
    )
    return rows_of(case, "together", costs, {})


def rows_of(
    case: Case, how: str, costs: Mapping[str, Sequence[Cost]], memory: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return a row for every contestant: what it takes, and how many times that of ours."""
    rows = []
    for name, own in costs.items():
        ratio = ratios(own, costs[OURS]) if OURS in costs else None
        rows.append(
            {
                "task": case.label,
                "processes": how,
                "contestant": name,
                "CPU s/task": median_cpu(own),
                "s/task": median_wall(own),
                "times ours": ratio and ratio.median,
                "from": ratio and ratio.low,
                "to": ratio and ratio.high,
                "MB": memory.get(name),
            }
        )
    return rows


if __name__ == "__main__":
    main()
