"""mlbench, set up as ``mlbench run`` sets a run up, with one thread."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.cases import Case, draw
from benchmarks.peers import Peer
from mlbench.contract import MetaStep, Parameters, TaskBatch
from mlbench.errors import MisuseError
from mlbench.run import tracing
from mlbench.run.compiling import machine_code, missing_compiler
from mlbench.run.device import choose_execution


class Contestant(Peer):
    """A technique and its meta-parameters.

    Args:
        engine: As ``--engine`` takes it.
        traced: Whether the meta-step is traced, as in a run after its first meta-steps.
        compiled: Whether it is compiled.
    """

    taught: MetaStep

    def __init__(
        self, case: Case, engine: Any = "auto", *, traced: bool = False, compiled: bool = False
    ) -> None:
        experiment = case.experiment()
        execution = choose_execution(experiment.spec.kind, "cpu", 1, engine)
        execution.apply()
        algorithm = experiment.algorithm(execution)
        drawn = algorithm.initialise(torch.Generator().manual_seed(0))
        self.meta = {name: value.to(experiment.dtype) for name, value in drawn.items()}
        self.tasks = draw(case, experiment)

        def meta_step(meta: Parameters, tasks: TaskBatch) -> MetaStep:
            return algorithm.meta_step(meta, tasks)

        self.meta_step = meta_step
        if traced:
            self.meta_step = tracing.traced(meta_step, self.meta, self.tasks)
        if compiled:
            if lack := missing_compiler(execution.torch_device):
                raise MisuseError(f"not compiled: {lack}; install one")
            self.meta_step = machine_code(meta_step, self.meta, self.tasks)

    def step(self) -> None:
        """Take the meta-step."""
        self.taught = self.meta_step(self.meta, self.tasks)

    def gradient(self) -> Tensor:
        """Return the meta-gradient of θ, ``(n,)``."""
        return self.taught.gradients["theta"]
