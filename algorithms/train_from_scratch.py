"""Train from scratch: learn every task from one random network, all layers, without meta-training.

Paper: Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y, section 3.5.3.
What it scores is what a technique is to gain by having met other tasks before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap

from mlbench.contract import Algorithm, Batch, MetaStep, Parameters, Randomness, TaskBatch, hp
from mlbench.transfer import FitHyper, choose, fit


@dataclass(frozen=True, kw_only=True)
class ScratchHyper(FitHyper):
    """How a task is learnt; batch-norm asks for mini-batches of two examples or more."""

    test_batch: int = hp(4, "support examples of one such step, drawn with replacement", at_least=2)


class TrainFromScratch(Algorithm):
    """Adam on mini-batches of the support set; θ is the same for all tasks and never learnt."""

    name = "train_from_scratch"
    paper = "Huisman et al., 2022, https://doi.org/10.1007/s10994-022-06210-y"
    Hyper = ScratchHyper
    kinds = ("classification",)
    training = "none"
    hyper: ScratchHyper

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return θ."""
        return {"theta": self.problem.learner.initialise(generator)}

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Refuse: nothing is meta-trained."""
        raise NotImplementedError("train_from_scratch has no meta-training")

    @torch.no_grad()
    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Train a copy of θ on each task; the engine has no part in it."""
        steps, batch = self.hyper.test_steps, self.hyper.test_batch
        picks = choose(randomness.uniform(steps, batch, like=support.x), support.x.shape[1])
        start = {"theta": meta["theta"].expand(len(picks), -1)}
        theta = fit(start, self.loss, support, picks, self.hyper.test_lr)["theta"]
        # one task's queries at a time: together they take memory and save no time
        answer = vmap(self.problem.answer, chunk_size=1)
        predictions: Tensor = answer(theta, support.x, query_x)
        return predictions

    def loss(self, weights: Parameters, batch: Batch) -> Tensor:
        """Return one task's loss on a mini-batch, normalised by that mini-batch."""
        return self.problem.loss(self.problem.learner(weights["theta"], batch.x), batch.y)
