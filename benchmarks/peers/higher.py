"""``higher``: a copy of the module whose optimiser can be differentiated through."""

from __future__ import annotations

import higher
import torch

from benchmarks.cases import Case
from benchmarks.peers.network import INNER_LR, ModulePeer
from mlbench.contract import TaskBatch


class Contestant(ModulePeer):
    """``innerloop_ctx`` around every task."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.optimiser = torch.optim.SGD(self.weights, lr=INNER_LR)

    def learn(self, task: TaskBatch) -> None:
        """Take the steps of the patched optimiser."""
        with higher.innerloop_ctx(self.module, self.optimiser, copy_initial_weights=False) as (
            adapted,
            optimiser,
        ):
            for _ in range(self.case.steps):
                optimiser.step(self.loss(adapted(task.support.x), task.support.y))
            self.loss(adapted(task.query.x), task.query.y).backward()
