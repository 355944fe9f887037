"""The test episodes of runs, side by side: what was met by all, as runs × episodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlbench.stats.resamples import shares

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """The test episodes of one run.

    Args:
        keys: Which episodes, ascending, ``(episodes,)``.
        scores: In the order of the keys, ``(episodes,)``.
    """

    keys: NDArray[np.uint64]
    scores: Scores

    @cached_property
    def resampled(self) -> Scores:
        """Return the mean score in each resample of these episodes, ``(resamples,)``.

        Runs are compared with many others; this is the dear part of it, and done once.
        """
        means: Scores = shares(len(self.scores)) @ self.scores
        return means


def tested_runs(episodes: pl.DataFrame) -> dict[tuple[str, str], Tested]:
    """Return the test episodes by run and eval dataset.

    Args:
        episodes: :func:`mlbench.store.queries.test_episodes`.
    """
    ordered = episodes.select("run_id", "eval_dataset", "episode_key", "score").sort(
        "run_id", "eval_dataset", "episode_key"
    )
    parts = ordered.partition_by("run_id", "eval_dataset", as_dict=True, include_key=False)
    return {
        (str(run_id), str(dataset)): Tested(
            part["episode_key"].to_numpy(), part["score"].to_numpy()
        )
        for (run_id, dataset), part in parts.items()
    }


def common_keys(runs: Iterable[Tested]) -> NDArray[np.uint64]:
    """Return the episodes that all of these runs met, ascending; of no runs, none."""

    def both(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return a if np.array_equal(a, b) else np.intersect1d(a, b, assume_unique=True)

    keys = [run.keys for run in runs]
    return reduce(both, keys) if keys else np.empty(0, dtype=np.uint64)


def matrix(runs: Sequence[Tested], keys: NDArray[np.uint64]) -> Scores:
    """Return the scores of runs on these episodes, ``(runs, episodes)``."""
    return np.stack([run.scores[np.searchsorted(run.keys, keys)] for run in runs])
