"""By hand with ``torch.func``: one task's loss as a function of the weights, vmapped over tasks."""

from __future__ import annotations

from torch import Tensor
from torch.func import functional_call, grad, vmap

from benchmarks.cases import Case
from benchmarks.peers.network import INNER_LR, ModulePeer
from mlbench.contract import TaskBatch
from mlbench.errors import MisuseError


class Contestant(ModulePeer):
    """What somebody who knows ``torch.func`` writes for a small network."""

    def __init__(self, case: Case) -> None:
        if case.side is not None:
            raise MisuseError(
                "torch.func as its tutorials use it gives wrong meta-gradients with batch-norm;"
                " take it for waves"
            )
        super().__init__(case)

    def step(self) -> None:
        """Stack the tasks' losses, add them up and back-propagate."""
        for weight in self.weights:
            weight.grad = None
        weights: dict[str, Tensor] = dict(self.module.named_parameters())

        def support_loss(weights: dict[str, Tensor], task: TaskBatch) -> Tensor:
            return self.loss(
                functional_call(self.module, weights, (task.support.x,)), task.support.y
            )

        def query_loss(task: TaskBatch) -> Tensor:
            adapted = weights
            for _ in range(self.case.steps):
                gradients = grad(support_loss)(adapted, task)
                adapted = {name: w - INNER_LR * gradients[name] for name, w in adapted.items()}
            return self.loss(functional_call(self.module, adapted, (task.query.x,)), task.query.y)

        losses: Tensor = vmap(query_loss)(self.tasks)
        losses.sum().backward()

    def learn(self, task: TaskBatch) -> None:
        """Learn nothing: the tasks are stacked."""
