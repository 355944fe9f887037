"""ANIL: MAML whose inner loop adapts the head alone; the body is learnt by the outer loop only.

Paper: Raghu, Raghu, Bengio and Vinyals, 2020, https://arxiv.org/abs/1909.09157.
Since the body stays what it is within a task, its features of the support set are made once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters
from mlbench.engines import ThetaLoss

from .maml import Maml


class Anil(Maml):
    """Almost no inner loop; rule and hyperparameters are MAML's, as in the paper."""

    name = "anil"
    paper = "Raghu et al., 2020, https://arxiv.org/abs/1909.09157"

    def start(self, meta: Parameters, support: Batch) -> Tensor:
        """Return the weights of the head, all that a task adapts."""
        _, head = self.problem.learner.split(meta["theta"])
        return head

    def support_loss(self, meta: Parameters, support: Batch) -> ThetaLoss:
        """Return the loss as a function of the head, over features that are made here, once."""
        learner = self.problem.learner
        body, _ = learner.split(meta["theta"])
        features = learner.features(body, support.x)

        def loss(head: Tensor) -> Tensor:
            return self.problem.loss(learner.head(head, features), support.y)

        return loss

    def answer(self, meta: Parameters, theta: Tensor, support_x: Tensor, query_x: Tensor) -> Tensor:
        """Return predictions by the body that all tasks share and one task's head, ``theta``."""
        body, _ = self.problem.learner.split(meta["theta"])
        return self.problem.answer(torch.cat((body, theta)), support_x, query_x)
