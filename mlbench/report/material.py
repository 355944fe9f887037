"""What tables, figures and reports are made of: frames of one store, each asked for once."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TypeAlias

import polars as pl

from mlbench.stats.names import Statistic
from mlbench.stats.paired import comparisons
from mlbench.stats.summary import latest, summarise
from mlbench.stats.times import summarise_times
from mlbench.store import queries
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import choose_runs

Summarised: TypeAlias = tuple[pl.DataFrame, pl.DataFrame, Statistic | None, pl.DataFrame | None]
"""Results, hyperparameters, the statistic and, if it looks at them, test episodes."""


class Material:
    """The runs that a condition holds of, and what is asked of them; frames are never changed.

    Everything is asked once and kept: make another one to see what was recorded since.

    Args:
        paths: The store.
        where: A condition in SQL over the columns of the view ``runs``; ``None`` for all runs.
        statistic: What to say of several runs; ``None`` for that of each run's protocol.

    Raises (on use):
        MisuseError: The condition is none.
        StoreBusyError: Another process held the database all the time.
        StoreError: It cannot be used.
    """

    def __init__(
        self, paths: StorePaths, *, where: str | None = None, statistic: Statistic | None = None
    ) -> None:
        self.paths = paths
        self.where = where
        self.statistic = statistic

    @cached_property
    def study(self) -> queries.Study:
        """Return what is asked of all runs, chosen or not: :func:`.queries.study`."""
        return queries.study(self.paths)

    @cached_property
    def runs(self) -> pl.DataFrame:
        """Return the chosen runs, whatever their status: :func:`.queries.list_runs`."""
        runs = self.study.runs
        if self.where is None:
            return runs
        return runs.filter(pl.col("run_id").is_in(choose_runs(self.paths, self.where)))

    @cached_property
    def results(self) -> pl.DataFrame:
        """Return a row per concluded run and eval data set: :func:`.queries.results`."""
        return self.chosen(self.study.results)

    @cached_property
    def counted(self) -> pl.DataFrame:
        """Return the results that count: of a run that was repeated, those of the last."""
        return latest(self.results)

    @cached_property
    def hyperparameters(self) -> pl.DataFrame:
        """Return the settings of the chosen runs: :func:`.queries.hyperparameters`."""
        return self.chosen(self.study.hyperparameters)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """Return the statistic over runs: :func:`mlbench.stats.summary.summarise`."""
        return summarise(*self.summarised)

    @cached_property
    def time_summary(self) -> pl.DataFrame:
        """Return running times beside it: :func:`mlbench.stats.times.summarise_times`."""
        return summarise_times(self.times, *self.summarised)

    @property
    def summarised(self) -> Summarised:
        """Return what a statistic is of; episodes are asked for if it looks at them."""
        episodes = self.test_episodes if self.statistic == "two-level" else None
        return self.results, self.hyperparameters, self.statistic, episodes

    @cached_property
    def curves(self) -> pl.DataFrame:
        """Return the learning curves of the chosen runs: :func:`.queries.learning_curves`."""
        return queries.learning_curves(self.paths, self.runs["run_id"].to_list())

    @cached_property
    def times(self) -> pl.DataFrame:
        """Return where the time of the concluded runs went: :func:`.queries.running_times`."""
        return queries.running_times(self.paths, self.counted_runs)

    @cached_property
    def test_episodes(self) -> pl.DataFrame:
        """Return the test episodes of the runs that count: :func:`.queries.meta_test_episodes`."""
        return queries.meta_test_episodes(self.paths, self.counted_runs)

    @cached_property
    def comparisons(self) -> pl.DataFrame:
        """Return all pairs on identical episodes: :func:`mlbench.stats.paired.comparisons`."""
        return comparisons(self.counted, self.test_episodes, self.hyperparameters)

    @property
    def counted_runs(self) -> list[str]:
        """Return the runs that count, by name."""
        return self.counted["run_id"].unique().sort().to_list()

    def under(self, statistic: Statistic | None) -> Material:
        """Return material under another statistic, which shares what does not depend on it."""
        if statistic == self.statistic:
            return self
        _ = self.counted, self.hyperparameters  # asked for now, and once for both
        other = copy(self)
        other.statistic = statistic
        for name in ("summary", "time_summary"):  # all that depends on the statistic
            vars(other).pop(name, None)
        return other

    def chosen(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the chosen runs."""
        if self.where is None:
            return frame
        return frame.join(self.runs.select("run_id"), on="run_id", how="semi")
