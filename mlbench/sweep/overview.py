"""How a sweep stands, as rows for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_runs
from mlbench.store.states import RunState
from mlbench.sweep.job import seeds_text
from mlbench.sweep.planning import Standing, SweepRun
from mlbench.sweep.slurm_queue import Queue, TaskState, queue_states

STANDINGS: tuple[Standing, ...] = get_args(Standing)


@dataclass(frozen=True)
class Overview:
    """Runs of a sweep at one moment.

    Args:
        states: What is known of runs, by the hash of their spec.
        queue: What Slurm has of them, by the same.
        trouble: Why Slurm could not be asked.
    """

    runs: tuple[SweepRun, ...]
    states: Mapping[str, RunState]
    queue: Mapping[str, TaskState]
    trouble: str | None = None

    @classmethod
    def of(cls, runs: Sequence[SweepRun], paths: StorePaths) -> Overview:
        """Return how runs stand, by the database, the journals and Slurm."""
        queue: Queue = queue_states(paths)
        return cls(tuple(runs), find_runs(paths), queue.by_spec(), queue.trouble)

    def standing(self, run: SweepRun) -> Standing:
        """Return how a run stands."""
        if run.spec_hash is None:
            return "failed"
        found = run.standing(self.states, self.queued)
        task = self.queue.get(run.spec_hash)
        if found in {"done", "running", "queued"} or task is None:
            return found
        if task.standing == "running":
            return "running"
        return "failed" if task.failure else found

    @property
    def queued(self) -> frozenset[str]:
        """Return the hashes of what waits in Slurm's queue."""
        return frozenset(
            one for one, task in self.queue.items() if task.standing in {"queued", "requeued"}
        )

    def reason(self, run: SweepRun) -> str:
        """Return why a run failed."""
        if run.trouble is not None or run.spec_hash is None:
            return run.trouble or "it cannot be prepared"
        state, task = self.states.get(run.spec_hash), self.queue.get(run.spec_hash)
        return (state and state.error) or (task and task.failure) or "its journal does not say why"

    def refusals(self) -> Counter[str]:
        """Return why runs cannot begin at all, and how many of each."""
        return Counter(self.reason(run) for run in self.runs if run.spec_hash is None)

    def counts(self) -> Counter[Standing]:
        """Return how many runs stand how."""
        return Counter(map(self.standing, self.runs))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per cell: what it is, its seeds, and how many of them stand how."""
        cells: dict[int, list[SweepRun]] = {}
        for run in self.runs:
            cells.setdefault(id(run.cell), []).append(run)
        rows = []
        for same in cells.values():
            counts = Counter(map(self.standing, same))
            seeds = seeds_text([run.seed for run in same])
            row: dict[str, Any] = {"runs": same[0].cell.label, "seeds": seeds}
            rows.append(row | {standing: counts[standing] for standing in STANDINGS})
        return rows

    def each(self) -> list[dict[str, Any]]:
        """Return a row per run, for programs."""
        rows = []
        for run in self.runs:
            state = self.states.get(run.spec_hash or "")
            standing = self.standing(run)
            rows.append(
                {
                    "runs": run.cell.label,
                    "seed": run.seed,
                    "spec_hash": run.spec_hash,
                    "run_id": state.run_id if state else None,
                    "standing": standing,
                    "error": self.reason(run) if standing == "failed" else None,
                }
            )
        return rows
