"""What a run found that finished or diverged: one result per data set, and where its time went."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment
from mlbench.stats.intervals import mean_interval
from mlbench.store.paths import StorePaths
from mlbench.store.queries import run_end, run_phases, run_results


@dataclass(frozen=True, kw_only=True)
class Result:
    """The meta-test on one data set.

    Args:
        score: Mean over the test episodes: accuracy in [0, 1], or mean squared error.
        half_width: Of the 95 % interval of that mean, 1.96 standard errors; ``None`` for one
            episode.
        loss: Mean query loss over them.
        episodes: How many.
        nan_episodes: How many of them had no finite loss.
        incomplete: What the data lack that it rests on; ``None`` where they are whole.
    """

    eval_dataset: str
    score: float
    half_width: float | None
    loss: float
    episodes: int
    nan_episodes: int
    incomplete: str | None


@dataclass(frozen=True, kw_only=True)
class PhaseSeconds:
    """Wall time of one phase, all attempts together."""

    phase: str
    eval_dataset: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a run found that finished or diverged.

    Args:
        results: None where a run diverged before there was anything to test.
        diverged: How it did; ``None`` if it finished.
        note: What else is to be known of its training.
    """

    results: list[Result]
    phases: list[PhaseSeconds]
    diverged: str | None
    note: str | None = None

    def seconds(self, phase: str, eval_dataset: str) -> float:
        """Return the wall time of a phase on one data set."""
        return sum(
            each.seconds
            for each in self.phases
            if (each.phase, each.eval_dataset) == (phase, eval_dataset)
        )

    def totals(self) -> dict[str, float]:
        """Return the wall time of each phase, all data sets together, and of the whole."""
        totals: dict[str, float] = {}
        for each in self.phases:
            totals[each.phase] = totals.get(each.phase, 0.0) + each.seconds
        return {**totals, "in all": sum(totals.values())}

    def values(self) -> dict[str, Any]:
        """Return plain values, for JSON; what is not finite is ``None`` there."""
        return asdict(self, dict_factory=finite)


def finite(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary in which JSON has no NaN and no infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in pairs
    }


def outcome_of_progress(experiment: Experiment, progress: Progress) -> Outcome:
    """Return what a run that ended in this process found."""
    results = []
    for dataset, (losses, scores) in progress.tested.items():
        mean = mean_interval(scores)
        results.append(
            Result(
                eval_dataset=dataset,
                score=mean.centre,
                half_width=None if mean.high is None else mean.high - mean.centre,
                loss=sum(losses) / len(losses),
                episodes=len(scores),
                nan_episodes=sum(map(math.isnan, scores)),
                incomplete=shortcomings(experiment, dataset),
            )
        )
    phases = [
        PhaseSeconds(phase=phase, eval_dataset=dataset, seconds=seconds)
        for key, seconds in progress.seconds.items()
        for phase, _, dataset in [key.partition(" ")]
    ]
    note = None if progress.diverged else progress.remark
    return Outcome(results, phases, progress.diverged, note)


def shortcomings(experiment: Experiment, eval_dataset: str) -> str | None:
    """Return what the data lack that a result rests on, as the view ``results`` has it."""
    names = dict.fromkeys((experiment.spec.train_dataset, eval_dataset))
    notes = [
        f"{name}: {experiment.incomplete[name]}" for name in names if name in experiment.incomplete
    ]
    return "; ".join(notes) or None


def outcome_of_store(paths: StorePaths, run_id: str) -> Outcome | None:
    """Return what the database has of a run; ``None`` if it knows neither result nor divergence."""
    status, error = run_end(paths, run_id) or ("running", None)
    results = [Result(**row) for row in run_results(paths, run_id).iter_rows(named=True)]
    if not results and status != "diverged":
        return None
    phases = [PhaseSeconds(**row) for row in run_phases(paths, run_id).iter_rows(named=True)]
    return Outcome(results, phases, *((error, None) if status == "diverged" else (None, error)))
