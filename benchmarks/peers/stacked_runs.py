"""mlbench with several runs as one program, as ``mlbench run --seeds`` computes small learners.

A step is more than that of other contestants: it ends with Adam's update of every run's
meta-parameters.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from benchmarks.cases import Case
from benchmarks.peers import Peer
from mlbench.run.device import choose_execution
from mlbench.run.stack import Stack


class Contestant(Peer):
    """The runs of a case, each with a seed of its own."""

    def __init__(self, case: Case, *, compiled: bool = False) -> None:
        experiment = case.experiment()
        experiments = [experiment.with_seed(seed) for seed in range(case.runs)]
        execution = choose_execution(experiment.spec.kind, "cpu", 1)
        states: list[dict[str, Any] | None] = [None] * case.runs
        self.stack = Stack(experiments, execution, states, compiled=compiled)
        self.stack.programs.traced_after = 0  # as in a run after its first meta-steps
        (self.tasks,) = self.stack.meta_batches([0], case.tasks, case.tasks)

    def step(self) -> None:
        """Take the meta-step of every run."""
        self.stack.step(self.tasks)

    def gradient(self) -> Tensor:
        """Return nothing of use: the program keeps no gradient.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError
