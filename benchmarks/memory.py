"""Memory and time of a second-order meta-step, by technique, engine and number of updates T.

    python -m benchmarks.memory           # half an hour, 24 GB
    python -m benchmarks.memory --quick

5-way 5-shot, 16 queries a class, one task, one thread. Every measurement has a process of its own,
one after another: its peak, above what its imports took and in all, and the time of its second
step. Techniques alternate; ratios are to MAML with the same engine and T. What does not fit the
memory of this machine is said to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

from benchmarks.apart import Apart
from benchmarks.cases import Case
from benchmarks.measure import Cost, in_turn, median_cpu, ratios
from benchmarks.shown import options, show, tell_machine
from mlbench.cli.progress import tell
from mlbench.errors import MlbenchError

TECHNIQUES = ("maml", "turtle", "lstm", "lstm_enhanced")
REFERENCE = "maml"
ENGINES = {"loop": "mlbench, loop", "adjoint": "mlbench, adjoint"}
STEPS = {"loop": (1, 5, 12), "adjoint": (1, 5, 12, 50)}
SIDES = (84, 28)


class Taken(NamedTuple):
    """What a technique took.

    Args:
        cost: Of a step.
        megabytes: The peak above what imports took.
        peak: The peak in all.
    """

    cost: Cost
    megabytes: float
    peak: float


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES, help="pixels a side")
    parser.add_argument(
        "--steps", nargs="+", type=int, help="T  [default: 1 5 12; adjoint: 50 too]"
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--techniques", nargs="+", default=TECHNIQUES)
    asked = parser.parse_args()
    tell_machine()
    rounds = asked.rounds or (1 if asked.quick else 3)
    rows = []
    for side in (28,) if asked.quick else asked.sides:
        for engine in asked.engines:
            for steps in asked.steps or ((1, 2) if asked.quick else STEPS[engine]):
                case = Case(side=side, shots=1 if asked.quick else 5, steps=steps, clip=True)
                tell(f"{case.label}, {engine}, T = {steps}")
                rows += rows_of(case, engine, measured(case, engine, asked.techniques, rounds))
    show(rows, asked.form)


def measured(
    case: Case, engine: str, techniques: Sequence[str], rounds: int
) -> dict[str, list[Taken]]:
    """Return what each technique takes in every round; one that cannot is left out."""
    found: dict[str, list[Taken]] = {technique: [] for technique in techniques}
    for number in range(rounds):
        for technique in in_turn(found, number):
            try:
                found[technique].append(take(replace(case, algorithm=technique), engine))
            except MlbenchError as error:
                tell(f"{technique} is left out: {error}")
                del found[technique]
    return found


def take(case: Case, engine: str) -> Taken:
    """Return what a meta-step takes after one to warm up."""
    with Apart(ENGINES[engine], case) as contestant:
        contestant.step()
        cost = contestant.step()
        return Taken(cost, contestant.megabytes, contestant.peak)


def rows_of(case: Case, engine: str, found: Mapping[str, list[Taken]]) -> list[dict[str, Any]]:
    """Return a row for every technique."""
    reference = found.get(REFERENCE)
    rows = []
    for technique, own in found.items():
        costs = [taken.cost for taken in own]
        megabytes = median(taken.megabytes for taken in own)
        row: dict[str, Any] = {
            "images": f"{case.side}x{case.side}",
            "engine": engine,
            "T": case.steps,
            "technique": technique,
            "MB": megabytes,
            "MB in all": median(taken.peak for taken in own),
            "CPU s": median_cpu(costs),
            "MB / MAML's": None,
            "time / MAML's": None,
            "from": None,
            "to": None,
        }
        if reference is not None:
            ratio = ratios(costs, [taken.cost for taken in reference])
            row["MB / MAML's"] = megabytes / median(taken.megabytes for taken in reference)
            row |= {"time / MAML's": ratio.median, "from": ratio.low, "to": ratio.high}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
