"""``learn2learn``: its MAML clones the module and adapts the clone."""

from __future__ import annotations

import learn2learn

from benchmarks.cases import Case
from benchmarks.peers.network import INNER_LR, ModulePeer
from mlbench.contract import TaskBatch


class Contestant(ModulePeer):
    """``clone`` and ``adapt`` for every task."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.maml = learn2learn.algorithms.MAML(self.module, lr=INNER_LR)

    def learn(self, task: TaskBatch) -> None:
        """Adapt a clone."""
        clone = self.maml.clone()
        for _ in range(self.case.steps):
            clone.adapt(self.loss(clone(task.support.x), task.support.y))
        self.loss(clone(task.query.x), task.query.y).backward()
