"""How contestants are timed: in turn, in CPU-seconds, and compared round by round.

Machines are shared and clocks change, so that two medians taken minutes apart say little. Here
every contestant takes a turn in every round, in another order each time; what is reported is the
median over rounds of the ratio *within* a round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter, process_time
from typing import NamedTuple


class Cost(NamedTuple):
    """What a step took, in seconds: of all threads of the process together, and by the clock."""

    cpu: float
    wall: float


class Spread(NamedTuple):
    """The median of some values, and what the middle half of them lies between."""

    median: float
    low: float
    high: float


Turn = Callable[[], Cost]
"""Takes a step and tells what it took."""

ENOUGH = 0.1  # CPU-seconds of a turn, under which a step is repeated


def timed(step: Callable[[], object], times: int = 1) -> Cost:
    """Return what one of some steps in a row takes."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(times):
        step()
    return Cost((process_time() - cpu) / times, (perf_counter() - wall) / times)


def turn(step: Callable[[], object]) -> Turn:
    """Return turns of a step, after one to warm up; short steps are repeated within a turn."""
    step()
    times = max(1, round(ENOUGH / max(timed(step).cpu, 1e-6)))
    return lambda: timed(step, times)


def interleaved(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[Cost]]:
    """Return what every contestant's turn took in every round."""
    costs: dict[str, list[Cost]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in in_turn(turns, number):
            costs[name].append(turns[name]())
    return costs


def in_turn(names: Iterable[str], number: int) -> list[str]:
    """Return the order of a round: in each, another one is first."""
    every = list(names)
    first = number % max(1, len(every))
    return every[first:] + every[:first]


def ratios(of: Sequence[Cost], to: Sequence[Cost]) -> Spread:
    """Return how many times more CPU-seconds ``of`` takes than ``to``, round by round."""
    return spread([one.cpu / other.cpu for one, other in zip(of, to, strict=True)])


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def median_cpu(costs: Sequence[Cost]) -> float:
    """Return the median of the CPU-seconds."""
    return statistics.median(cost.cpu for cost in costs)


def median_wall(costs: Sequence[Cost]) -> float:
    """Return the median of the seconds by the clock."""
    return statistics.median(cost.wall for cost in costs)
