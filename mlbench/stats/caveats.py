"""What is to be said of a statistic because it rests on few runs, or on runs that were stacked."""

from __future__ import annotations

from mlbench.stats.names import Statistic
from mlbench.stats.student import t_below

ENOUGH = 0.93  # of the truths: what an interval called one of 95 % has to hold
WHOLE_RANGE: dict[Statistic, int] = {"median": 7, "iqm": 5}
"""Up to so many runs the interval reaches from the lowest to the highest."""
SIMULATED: dict[Statistic, dict[int, float]] = {
    "trimmed": {
        2: 0.70,
        3: 0.81,
        4: 0.74,
        5: 0.72,
        6: 0.79,
        7: 0.82,
        8: 0.84,
        9: 0.82,
        10: 0.84,
        15: 0.87,
        20: 0.89,
        30: 0.90,
        50: 0.91,
    },
    "two-level": {2: 0.88, 3: 0.92},
}
"""Share of truths held, by runs, where no formula says: ``python -m tests.stats.coverage``."""


def caveat(statistic: Statistic, runs: int, unit: str = "run") -> str:
    """Return what the number of runs means for a 95 % interval; empty if it means nothing much.

    Such as ``5 runs: the interval is their whole range``, or how often such intervals hold the
    truth if the runs are normally distributed, where that is under 93 times in 100.

    Args:
        statistic: What the interval is of.
        runs: How many there are.
        unit: What is told of if not runs.
    """
    if runs < 1:
        return ""
    if runs == 1:
        alone = "the interval is over episodes alone" if statistic == "two-level" else "no interval"
        return f"1 {unit}: {alone}"
    said = []
    if runs <= WHOLE_RANGE.get(statistic, 0):
        said.append("is their whole range")
    share = held(statistic, runs)
    if share < ENOUGH:
        said.append(f"holds the truth {100 * share:.0f} times in 100")
    return f"{runs} {unit}s: the interval {' and '.join(said)}" if said else ""


def stacking(stacked: int, runs: int, precision: str) -> str:
    """Return what it means for scores that runs were computed as one program; empty for nothing.

    In double precision a stacked run has the numbers that it would have alone, to 1e-10; in single
    precision it parts from them after some hundred updates, as two machines may.

    Args:
        stacked: How many of the runs were computed with others.
        runs: How many there are.
        precision: Of the arithmetic.
    """
    if not stacked or (precision == "float64" and stacked == runs):
        return ""
    said = ("all" if stacked == runs else f"{stacked} of {runs}") + " runs computed stacked"
    if precision == "float64":
        return f"{said}, the others alone: equal to 1e-10"
    return f"{said}, in {precision}: equal to runs alone statistically, not digit by digit"


def untimed(unequal: int) -> str:
    """Return why runs have no time: their attempts were stacked unequally; empty if none was."""
    if not unequal:
        return ""
    runs, they = ("1 run", "its") if unequal == 1 else (f"{unequal:,} runs", "their")
    return f"{runs} not timed: {they} attempts computed unequal numbers of runs at once"


def held(statistic: Statistic, runs: int) -> float:
    """Return how often the interval of two or more runs, normally distributed, holds the truth."""
    match statistic:
        case "median" | "iqm":  # from 5 runs on the expanded percentiles see to it
            return float(1 - 2.0 ** (1 - runs)) if runs < 5 else 0.95
        case "mean":
            return 2 * t_below(runs - 1, 1.96) - 1
        case _:
            known = SIMULATED[statistic]
            if statistic == "two-level" and runs > max(known):
                return 0.95
            return known[max(n for n in known if n <= runs)]
