"""The base-learner and the loop over tasks as a user of torch writes them: modules and autograd."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.cases import Case, draw
from benchmarks.peers import Peer
from mlbench.contract import TaskBatch

INNER_LR = 0.01
SINE_UNITS = 40


def network(case: Case) -> nn.Module:
    """Return the base-learner; its parameters are in the order of ours."""
    if case.side is None:
        return nn.Sequential(
            nn.Linear(1, SINE_UNITS),
            nn.ReLU(),
            nn.Linear(SINE_UNITS, SINE_UNITS),
            nn.ReLU(),
            nn.Linear(SINE_UNITS, 1),
        )
    layers: list[nn.Module] = []
    channels, side = 3, case.side
    for _ in range(4):
        layers += [
            nn.Conv2d(channels, case.channels, 3, padding=1),
            nn.BatchNorm2d(case.channels, track_running_stats=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels, side = case.channels, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, case.ways))


class ModulePeer(Peer):
    """A contestant that adapts a module to one task after another."""

    def __init__(self, case: Case) -> None:
        experiment = case.experiment()
        self.case = case
        self.tasks = draw(case, experiment)
        self.each = [self.tasks.task(index) for index in range(case.tasks)]
        self.loss = F.mse_loss if case.side is None else F.cross_entropy
        theta = experiment.problem.learner.initialise(torch.Generator().manual_seed(0))
        self.module = network(case).to(experiment.dtype)
        nn.utils.vector_to_parameters(theta.to(experiment.dtype), self.module.parameters())
        self.weights = list(self.module.parameters())

    def step(self) -> None:
        """Add up the gradients of the tasks' query losses in ``.grad``."""
        for weight in self.weights:
            weight.grad = None
        for task in self.each:
            self.learn(task)

    @abstractmethod
    def learn(self, task: TaskBatch) -> None:
        """Adapt to one task's support set and back-propagate the loss of its queries."""

    def gradient(self) -> Tensor:
        """Return what the step left in ``.grad``, ``(n,)``."""
        found = [weight.grad for weight in self.weights]
        return torch.cat([g.flatten() for g in found if g is not None])
