"""``torchopt``: its meta-optimiser updates the module in place, which is then put back."""

from __future__ import annotations

import torchopt

from benchmarks.cases import Case
from benchmarks.peers.network import INNER_LR, ModulePeer
from mlbench.contract import TaskBatch


class Contestant(ModulePeer):
    """``MetaSGD``, its state and the module's saved by reference before every task."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.optimiser = torchopt.MetaSGD(self.module, lr=INNER_LR)

    def learn(self, task: TaskBatch) -> None:
        """Step, back-propagate, and put weights and optimiser back."""
        weights = torchopt.extract_state_dict(self.module, by="reference")
        state = torchopt.extract_state_dict(self.optimiser, by="reference")
        for _ in range(self.case.steps):
            self.optimiser.step(self.loss(self.module(task.support.x), task.support.y))
        self.loss(self.module(task.query.x), task.query.y).backward()
        torchopt.recover_state_dict(self.module, weights)
        torchopt.recover_state_dict(self.optimiser, state)
