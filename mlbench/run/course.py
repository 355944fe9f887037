"""The course of one run: which phase is next, which state is the best, when training is over.

It computes nothing, so that a run alone and a stack of runs follow the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlbench.contract import Parameters
from mlbench.run.events import Event, Phase, PhaseEnded, Validated
from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment

PATIENCE = 50  # meta-steps in a row that are not finite, before a run is said to have diverged


class Course:
    """Where one run stands, and what its protocol makes of that.

    Args:
        experiment: What the run is.
        progress: Where it is; changed in place.
        best: The best validated meta-parameters; empty before the first validation.
    """

    def __init__(self, experiment: Experiment, progress: Progress, best: Parameters) -> None:
        self.experiment = experiment
        self.spec = experiment.spec
        self.progress = progress
        self.best = best

    def counted(self, event: Event) -> Event:
        """Return an event after giving it its positions in the journal."""
        self.progress.position += event.positions
        return event

    def validated(self, meta: Parameters) -> Validated:
        """Return the end of a validation; keep ``meta`` if its mean score is strictly better."""
        progress = self.progress
        loss, score = mean(progress.losses), mean(progress.scores)
        best = self.better(score)
        if best:
            progress.best_score, progress.best_step = score, progress.step
            self.best = {name: value.clone() for name, value in meta.items()}
        if progress.tasks and not any(map(math.isfinite, progress.losses)):
            self.diverge("has no finite validation loss")
        ended = progress.diverged or progress.tasks >= self.experiment.train_tasks
        if ended and progress.best_score is None:
            self.diverge("has no validation whose mean score is finite")
        progress.phase = "test" if ended else "train"
        progress.losses, progress.scores = [], []
        return Validated(progress.step, progress.tasks, loss, score, best)

    def diverge(self, what: str) -> None:
        """Note why training ends here, unless a reason was noted before."""
        progress = self.progress
        if progress.diverged is None:
            progress.diverged = (
                f"{self.spec.algorithm} {what} after {progress.step} meta-updates, at training task"
                f" {progress.tasks}; lower its learning rates or its steps with --set"
            )

    def better(self, score: float) -> bool:
        """Return whether a score beats the best so far; NaN never does."""
        best = self.progress.best_score
        if best is None:
            return not math.isnan(score)
        return score > best if self.experiment.problem.higher_is_better else score < best

    def learnt(self, stop: int, *, finite: bool) -> None:
        """Take note of a meta-step: what is next, and whether training goes on at all.

        Args:
            stop: Training tasks met after it.
            finite: Whether all losses and gradients were, so that there was an update.
        """
        progress = self.progress
        before, progress.tasks = progress.tasks, stop
        if finite:
            progress.nonfinite = 0
            progress.step += 1
        else:
            progress.nonfinite += 1
            progress.skipped += 1
            if progress.nonfinite == PATIENCE:
                self.diverge(f"had no finite meta-gradient for {PATIENCE} meta-steps")
        count, every = self.experiment.train_tasks, self.spec.budget.validate_every
        if stop >= count and progress.step == 0:
            self.diverge("had no finite meta-gradient at all")
        if stop // every > before // every or stop >= count:
            progress.phase = "validation"
        elif progress.diverged:
            progress.phase = "test"

    def selected(self, meta: Parameters) -> Parameters:
        """Return what is tested: the best validated state, or what of it the protocol restores.

        Args:
            meta: Where training ended.
        """
        match self.spec.protocol.restores:
            case "everything":
                return self.best
            case "theta":
                return {**meta, "theta": self.best["theta"]}
            case "nothing":
                return meta

    def evaluated(self, losses: list[float], scores: list[float]) -> None:
        """Add episodes to the evaluation under way."""
        self.progress.losses += losses
        self.progress.scores += scores

    def tested(self, dataset: str) -> None:
        """Keep the evaluation that ended as the test on a data set."""
        progress = self.progress
        progress.tested[dataset] = progress.losses, progress.scores
        progress.losses, progress.scores = [], []

    @property
    def untested(self) -> list[str]:
        """Return the data sets whose test is not over; none where there is nothing to test."""
        if self.progress.best_score is None:
            return []
        return [name for name in self.spec.test_datasets if name not in self.progress.tested]

    def spend(self, phase: Phase, dataset: str, seconds: float) -> None:
        """Add wall time to a phase."""
        key = f"{phase} {dataset}"
        self.progress.seconds[key] = self.progress.seconds.get(key, 0.0) + seconds

    def end(self, phase: Phase, dataset: str) -> Iterator[PhaseEnded]:
        """Yield the end of a phase, unless an earlier attempt did."""
        key = f"{phase} {dataset}"
        if key not in self.progress.ended:
            self.progress.ended.append(key)
            yield PhaseEnded(phase, dataset, self.progress.seconds.get(key, 0.0))

    def end_training(self) -> Iterator[PhaseEnded]:
        """Yield the ends of training and validation, unless an earlier attempt did."""
        yield from self.end("train", self.spec.train_dataset)
        yield from self.end("validation", self.spec.train_dataset)


def mean(values: list[float]) -> float:
    """Return the mean; NaN if one of them is NaN."""
    return sum(values) / len(values)
