"""A loop by hand: the module is called with adapted weights, autograd does the rest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.peers.network import INNER_LR, ModulePeer
from mlbench.contract import TaskBatch


class Contestant(ModulePeer):
    """MAML in ten lines, as most repositories of papers have it."""

    def learn(self, task: TaskBatch) -> None:
        """Adapt a dictionary of weights."""
        weights: dict[str, Tensor] = dict(self.module.named_parameters())
        for _ in range(self.case.steps):
            loss = self.loss(
                functional_call(self.module, weights, (task.support.x,)), task.support.y
            )
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {
                name: weight - INNER_LR * gradient
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        prediction = functional_call(self.module, weights, (task.query.x,))
        self.loss(prediction, task.query.y).backward()
