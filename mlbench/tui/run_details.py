"""What the screen of one run asks the database for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from mlbench.store import queries, run_queries
from mlbench.store.paths import StorePaths
from mlbench.store.run_queries import asking


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """The answers on one run, as ``queries`` and ``run_queries`` of the store have them."""

    curve: pl.DataFrame
    phases: pl.DataFrame
    results: pl.DataFrame
    histogram: pl.DataFrame
    worst: pl.DataFrame
    hyperparameters: pl.DataFrame
    data: pl.DataFrame
    provenance: pl.DataFrame
    packages: pl.DataFrame
    plugin_files: pl.DataFrame


def load_details(paths: StorePaths, run_id: str) -> RunDetails:
    """Return all that is known of a run."""
    with asking(paths) as connection:
        return RunDetails(
            curve=run_queries.run_curve(connection, run_id),
            phases=run_queries.ask(connection, queries.RUN_PHASES, run_id=run_id),
            results=run_queries.ask(connection, queries.RUN_RESULTS, run_id=run_id),
            histogram=run_queries.run_episode_histogram(connection, run_id),
            worst=run_queries.worst_episodes(connection, run_id),
            hyperparameters=run_queries.run_hyperparameters(connection, run_id),
            data=run_queries.run_data(connection, run_id),
            provenance=run_queries.run_provenance(connection, run_id),
            packages=run_queries.run_packages(connection, run_id),
            plugin_files=run_queries.run_plugin_files(connection, run_id),
        )


def with_new_curve(paths: StorePaths, run_id: str, known: RunDetails) -> RunDetails:
    """Return what is known of a run that goes on, its learning curve asked for again."""
    with asking(paths) as connection:
        return replace(known, curve=run_queries.run_curve(connection, run_id))
