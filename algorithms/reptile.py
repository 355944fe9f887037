"""Reptile: move the initialisation towards the weights that tasks end at.

Paper: Nichol, Achiam and Schulman, 2018, https://arxiv.org/abs/1803.02999, Algorithm 2 (batched):
θ ← θ + ε/n Σᵢ (φᵢ - θ), φᵢ the weights after T steps on task i. Queries teach nothing.

The paper descends mini-batches of more examples than the shots with Adam (β₁ = 0), and lets ε
fall to 0; here the steps are of plain gradient descent unless ``beta2`` is set, on the whole
support set of the episode, as every technique meets it, and ε stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import MetaStep, Parameters, TaskBatch, hp
from mlbench.engines import InnerGradient
from mlbench.inner import GradientBased, InnerHyper, UpdateRule, last


@dataclass(frozen=True, kw_only=True)
class ReptileHyper(InnerHyper):
    """Steps, meta-batch and ε are those of the commands that the authors give for miniImageNet.

    On sine, those of the demonstration in their blog, https://openai.com/index/reptile. Rates of
    images are MAML's, since the paper's are Adam's.
    """

    train_steps: int = hp(
        8, "updates T per task in meta-training", at_least=1, when={"regression": 5}
    )
    test_steps: int = hp(
        50, "updates T in validation and test", at_least=1, when={"regression": 32}
    )
    order: int = hp(1, "1: no derivative goes through the updates", one_of=(1,))
    inner_lr: float = hp(
        0.01, "α, the step size of the inner loop", above=0, when={"regression": 0.02}
    )
    beta2: float | None = hp(
        None, "β₂ of an inner Adam with β₁ = 0, as in the paper; None: SGD", at_least=0, below=1
    )
    meta_batch: int = hp(5, "tasks n per meta-update", at_least=1, when={"regression": 1})
    meta_lr: float = hp(
        1.0, "ε, how far θ goes to the tasks' mean weights", above=0, when={"regression": 0.1}
    )


class Descent(UpdateRule[Tensor]):
    """Gradient descent, or Adam without momentum; the state is the second moment, ``(n,)``."""

    hyper: ReptileHyper

    def start(self, meta: Parameters, theta: Tensor) -> Tensor:
        """Return a moment of zero."""
        return torch.zeros_like(theta)

    def step(
        self, meta: Parameters, state: Tensor, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, Tensor]:
        """Take one step."""
        beta = self.hyper.beta2
        if beta is None:
            return theta - self.hyper.inner_lr * gradient, state
        state = beta * state + (1 - beta) * gradient.square()
        scale = (state / (1 - beta ** (t + 1))).sqrt() + 1e-8
        return theta - self.hyper.inner_lr * gradient / scale, state


class Reptile(GradientBased):
    """The meta-"gradient" of a task is θ - φ, which no differentiation gives."""

    name = "reptile"
    paper = "Nichol et al., 2018, https://arxiv.org/abs/1803.02999"
    Hyper = ReptileHyper
    Rule = Descent
    hyper: ReptileHyper

    def lesson(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Parameters, Tensor]:
        """Return θ - φ of one task, and the query predictions of φ."""
        steps = self.hyper.train_steps
        loop = self.inner_loop(meta, task.support, inner_gradient, steps=steps, order=1)
        phi = last(loop).theta
        prediction = self.answer(meta, phi, task.support.x, task.query.x)
        return self.clip_meta({"theta": meta["theta"] - phi}), prediction

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the mean of θ - φᵢ."""
        gradients, predictions = self.engine.total(self.lesson, meta, tasks)
        return MetaStep({"theta": gradients["theta"] / tasks.task_count}, predictions)

    def optimiser(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        """Return what goes ε of the way to the mean of φ: SGD."""
        return torch.optim.SGD(parameters, lr=self.hyper.meta_lr)
