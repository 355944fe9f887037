"""How often 95 % intervals hold the truth: studies of which it is known, simulated.

``python -m tests.stats.coverage`` prints the tables of docs/statistics.md, in a few minutes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlbench.stats.intervals import (
    Interval,
    iqm_interval,
    mean_interval,
    median_interval,
    trimmed_interval,
)
from mlbench.stats.names import Statistic
from mlbench.stats.paired import met
from mlbench.stats.resamples import shares
from mlbench.stats.tested import Scores, Tested
from mlbench.stats.two_level import two_level_interval

Shape = Literal["normal", "skewed"]
SHAPES: tuple[Shape, ...] = ("normal", "skewed")
T = TypeVar("T")
Estimate = Callable[[Sequence[float]], Interval]

OVER_RUNS: dict[Statistic, Estimate] = {
    "median": median_interval,
    "mean": mean_interval,
    "trimmed": trimmed_interval,
    "iqm": iqm_interval,
}
LOWER, UPPER = math.log(4 / 3), math.log(4)  # quartiles of the exponential distribution
TRUTHS: dict[Shape, dict[Statistic, float]] = {
    "normal": dict.fromkeys(OVER_RUNS, 0.0),
    "skewed": {
        "median": math.log(2) - 1,
        "mean": 0.0,
        "trimmed": 0.0,
        "iqm": 2 * ((LOWER + 1) * 3 / 4 - (UPPER + 1) / 4) - 1,
    },
}
"""What the statistics come to of infinitely many runs; trimming is held to the mean."""


def drawn(
    random: np.random.Generator, shape: Shape, size: int | tuple[int, ...]
) -> NDArray[np.float64]:
    """Return numbers of mean 0 and deviation 1."""
    if shape == "normal":
        return random.normal(size=size)
    return random.exponential(size=size) - 1


def over_runs(statistic: Statistic, runs: int, shape: Shape, rounds: int = 1_000) -> float:
    """Return how often the interval of a statistic over runs holds the truth."""
    random = np.random.default_rng([runs, rounds])
    truth, estimate = TRUTHS[shape][statistic], OVER_RUNS[statistic]
    studies = drawn(random, shape, (rounds, runs))
    return held((estimate(study.tolist()) for study in studies), truth)


def held(intervals: Iterable[Interval], truth: float) -> float:
    """Return how many of the intervals hold the truth, as a share."""
    ends = [(each.low, each.high) for each in intervals]
    found = [low <= truth <= high for low, high in ends if low is not None and high is not None]
    return sum(found) / len(ends)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Runs that all meet the same episodes.

    Args:
        name: What varies.
        run: Deviation between runs.
        episode: Deviation between episodes.
        rest: Deviation of what is particular to a run on an episode.
    """

    name: str
    run: float
    episode: float
    rest: float

    def scores(
        self, random: np.random.Generator, runs: int, episodes: int, shape: Shape
    ) -> NDArray[np.float64]:
        """Return scores of mean 0, ``(runs, episodes)``."""
        return (
            self.run * drawn(random, shape, runs)[:, np.newaxis]
            + self.episode * drawn(random, shape, episodes)
            + self.rest * drawn(random, shape, (runs, episodes))
        )


STUDIES = (
    Study(name="episodes", run=0.002, episode=0.08, rest=0.06),
    Study(name="both", run=0.01, episode=0.08, rest=0.06),
    Study(name="runs", run=0.03, episode=0.03, rest=0.06),
)
"""Accuracies of 5-way tasks deviate by some .08 between episodes, and by .01 between runs."""


def two_level(study: Study, runs: int, episodes: int, shape: Shape, rounds: int = 1_000) -> float:
    """Return how often the two-level interval holds the mean of all runs and all episodes.

    Of one run it is held to that run's mean over all episodes.
    """
    random = np.random.default_rng([runs, episodes, rounds])
    if runs == 1:
        study = replace(study, run=0.0)
    tables = (study.scores(random, runs, episodes, shape) for _ in range(rounds))
    intervals = (two_level_interval(table, means) for table, means in resampled(tables))
    return held(intervals, 0.0)


def resampled(tables: Iterable[NDArray[np.float64]]) -> Iterator[tuple[Scores, Scores]]:
    """Yield scores with their means in resamples, ``(runs, resamples)``.

    Many tables at once, as one product of matrices: run by run it is most of a study's time.
    """
    for several in batched(tables, AT_ONCE):
        scores = np.stack(several)
        means = scores @ shares(scores.shape[-1]).T
        yield from zip(scores, means, strict=True)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items, some at a time."""
    rest = iter(items)
    while several := list(islice(rest, size)):
        yield several


def paired(study: Study, runs: int, episodes: int, shape: Shape, rounds: int = 1_000) -> float:
    """Return how often the interval of a paired difference holds the true one, .02.

    Both techniques find the same episodes hard, and each some of its own besides.
    """
    random = np.random.default_rng([runs, episodes, rounds, 1])
    if runs == 1:
        study = replace(study, run=0.0)
    keys = np.arange(episodes, dtype=np.uint64)

    def sides() -> Iterator[NDArray[np.float64]]:
        for _ in range(rounds):
            hard = 0.1 * random.normal(size=episodes)
            for level in (0.52, 0.5):
                yield hard + level + study.scores(random, runs, episodes, shape)

    found = 0
    for pair in batched(resampled(sides()), 2):
        first, second = (
            {seed: tested(keys, *run) for seed, run in enumerate(zip(*side, strict=True))}
            for side in pair
        )
        row = met(first, second, lower_is_better=False)
        low, high = row["low"], row["high"]
        assert low is not None
        assert high is not None
        found += low <= 0.02 <= high
    return found / rounds


def tested(keys: NDArray[np.uint64], scores: Scores, means: Scores) -> Tested:
    """Return the test episodes of a run of which the means in resamples are known."""
    run = Tested(keys, scores)
    run.__dict__["resampled"] = means  # where a cached property keeps what it found
    return run


AT_ONCE = 32  # tables whose resamples are one product
RUNS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50)
ALONE = ((1, 600), (2, 600), (3, 600), (4, 600), (5, 600), (5, 60), (10, 600), (30, 200))
PAIRS = ((1, 600), (2, 600), (5, 600), (5, 60), (30, 200))
"""Runs × episodes of means, and of paired differences."""


def main() -> None:
    """Print the tables in Markdown, in percent; the number of truths may be named."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    print_over_runs(rounds)
    print_crossed(rounds // 4)


def print_over_runs(rounds: int) -> None:
    """Print a row per number of runs."""
    show(["runs", *(f"{name}, {shape}" for name in OVER_RUNS for shape in SHAPES)], head=True)
    for runs in RUNS:
        cells = [over_runs(name, runs, shape, rounds) for name in OVER_RUNS for shape in SHAPES]
        show([str(runs), *percent(cells)])


def print_crossed(rounds: int) -> None:
    """Print a row per number of runs × episodes, for means and for paired differences."""
    cases = [(study, shape) for study in STUDIES for shape in SHAPES]
    tables = (("mean", two_level, ALONE), ("paired difference", paired, PAIRS))
    for title, function, sizes in tables:
        show([title, *(f"{study.name}, {shape}" for study, shape in cases)], head=True)
        for runs, episodes in sizes:
            cells = [function(study, runs, episodes, shape, rounds) for study, shape in cases]
            show([f"{runs} × {episodes}", *percent(cells)])


def percent(shares: Sequence[float]) -> list[str]:
    """Return shares in percent."""
    return [f"{100 * share:.1f}" for share in shares]


def show(cells: Sequence[str], *, head: bool = False) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)  # noqa: T201
    if head:
        print("|" + "---|" * len(cells))  # noqa: T201


if __name__ == "__main__":
    main()
