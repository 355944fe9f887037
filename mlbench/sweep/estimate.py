"""How long runs will take, by how long others took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

import polars as pl

from mlbench.run.setup import Experiment
from mlbench.store.paths import StorePaths
from mlbench.store.queries import throughput


class Estimate:
    """Estimates seconds from the runs of a store that finished.

    Most alike are runs of the same technique, hyperparameters, data, ways and shots; then those
    that differ in hyperparameters; then those of the same technique and kind of problem. Of these,
    the ones count that were computed as this will be: alone, or several as one program.

    Args:
        paths: The store.
        gpu: Whether the runs will be computed on a GPU: only those count that were, or were not.
            ``None`` if that is not known.
    """

    def __init__(self, paths: StorePaths, *, gpu: bool | None = None) -> None:
        frame = throughput(paths)
        self.frame = frame if gpu is None else frame.filter(gpu=gpu)
        self.settings: list[Any] = [json.loads(text) for text in self.frame["hyperparameters"]]
        self.known: dict[tuple[str, bool], float | None] = {}

    def seconds(self, experiment: Experiment, *, stacked: bool) -> float | None:
        """Return how long a run takes; ``None`` if nothing like it was ever run.

        Args:
            experiment: What the run is.
            stacked: Whether it is one of several that are one program; then its share of them.
        """
        key = (json.dumps(experiment.spec.record(), sort_keys=True, default=str), stacked)
        if key not in self.known:
            each = self.per_task(experiment, stacked=stacked)
            self.known[key] = None if each is None else each * tasks_of(experiment)
        return self.known[key]

    def per_task(self, experiment: Experiment, *, stacked: bool) -> float | None:
        """Return the median seconds per task of the runs that are most alike."""
        spec = experiment.spec
        technique = (pl.col("algorithm") == spec.algorithm) & (pl.col("kind") == spec.kind)
        data = (
            technique
            & (pl.col("train_dataset") == spec.train_dataset)
            & pl.col("ways").eq_missing(spec.ways)
            & (pl.col("shots") == spec.shots)
        )
        settings = json.loads(json.dumps(spec.hyperparameters))
        same = pl.Series([each == settings for each in self.settings], dtype=pl.Boolean)
        for alike in (data & same, data, technique):
            found = self.frame.filter(alike)
            rows = found.filter(pl.col("stacked") == stacked)
            values = (rows if len(rows) else found)["seconds_per_task"].drop_nulls().to_list()
            if values:
                return float(median(values))
        return None


def tasks_of(experiment: Experiment) -> int:
    """Return how many tasks a run meets: in training, all validations and tests."""
    budget, train = experiment.spec.budget, experiment.train_tasks
    validations = 1 + train // budget.validate_every
    tests = len(experiment.spec.test_datasets)
    return train + validations * budget.validation_tasks + tests * budget.test_tasks


def together(seconds: Sequence[float], jobs: int) -> float:
    """Return how long jobs take that are begun in order, some at a time."""
    free = [0.0] * max(1, jobs)
    for each in seconds:
        place = free.index(min(free))
        free[place] += each
    return max(free)
