"""My technique: nearest class mean in a learnt embedding (say here what yours does, in one line).

Paper: yours. Below the line, say what a reader needs to know, with the numbers of equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import (
    Algorithm,
    Batch,
    Hyper,
    MetaStep,
    Parameters,
    Randomness,
    TaskBatch,
    hp,
)
from mlbench.engines import InnerGradient


@dataclass(frozen=True, kw_only=True)
class MyTechniqueHyper(Hyper):
    """A value, a line of help and limits each; ``--set scale=4`` changes one."""

    meta_batch: int = hp(2, "tasks J per meta-update", at_least=1)
    meta_lr: float = hp(1e-3, "learning rate of Adam on Θ", above=0)
    scale: float = hp(1.0, "what distances are multiplied by", above=0)


class MyTechnique(Algorithm):
    """What 'mlbench list' and 'mlbench describe' know: a name, a paper, the parts below."""

    name = "my_technique"
    paper = "yours"
    kinds = ("classification",)
    Hyper = MyTechniqueHyper
    hyper: MyTechniqueHyper

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return what is meta-learnt: the body of the base-learner, without its head."""
        body, _head = self.problem.learner.split(self.problem.learner.initialise(generator))
        return {"body": body.clone()}

    def predict_one(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        """Return one task's logits, ``(n, ways)``: minus the distance to the mean of each class."""
        shown, asked = self.problem.embed(meta["body"], support.x, query_x)
        ways, _features = self.problem.learner.head_shape
        members = (torch.arange(ways, device=shown.device)[:, None] == support.y).to(shown)
        means = members @ shown / members.sum(1, keepdim=True)
        return -self.hyper.scale * (asked[:, None] - means).square().sum(-1)

    def objective(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Tensor, Tensor]:
        """Return one task's query loss, which is differentiated for you, and its predictions."""
        prediction = self.predict_one(meta, task.support, task.query.x, inner_gradient)
        return self.problem.loss(prediction, task.query.y), prediction

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the meta-gradient, summed over the tasks; the engine runs them."""
        return MetaStep(*self.engine.meta_gradients(self.objective, meta, tasks, clip=dict))

    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Return ``(tasks, n, ways)``; what is left to chance comes from ``randomness``."""
        return self.engine.predictions(self.predict_one, meta, support, query_x)
