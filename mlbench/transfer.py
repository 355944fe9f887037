"""Transfer baselines: train on what there is, then fit a task's support set with Adam.

As Chen et al. have them (2019, https://arxiv.org/abs/1904.04232), in the settings of Huisman,
Plaat and van Rijn (2022), section 3.5.3. A technique here either starts every task from one random
network, or from a body that was trained on all training classes together and is frozen. Tasks are
stacked whatever the engine: one step of Adam moves the weights of all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad, vmap

from mlbench.contract import (
    Algorithm,
    Batch,
    Hyper,
    MetaStep,
    Parameters,
    ProblemKind,
    Randomness,
    TaskBatch,
    hp,
)
from mlbench.errors import MisuseError
from mlbench.normalise import Statistics, by_statistics, recording

TaskLoss = Callable[[Parameters, Batch], Tensor]
"""From one task's weights and some of its examples to a scalar loss."""

IMAGES_AT_ONCE = 64  # that a frozen body sees; more take memory and save no time


@dataclass(frozen=True, kw_only=True)
class FitHyper(Hyper):
    """How a task is learnt; the defaults are those of section 3.5.3."""

    test_steps: int = hp(100, "steps of Adam per task in validation and test", at_least=1)
    test_batch: int = hp(4, "support examples of one such step, drawn with replacement", at_least=1)
    test_lr: float = hp(1e-3, "learning rate of those steps", above=0)


def choose(uniforms: Tensor, count: int) -> Tensor:
    """Return indices below ``count``, with replacement, from numbers in [0, 1)."""
    return (uniforms * count).long().clamp(max=count - 1)  # the product may round up to ``count``


def rows(uniforms: Tensor) -> Tensor:
    """Return rows as a linear layer begins with, uniform in ±1/√features.

    Args:
        uniforms: Random numbers in [0, 1), ``(..., outputs, features)``.
    """
    return (2 * uniforms - 1) / sqrt(uniforms.shape[-1])


def fit(
    weights: Parameters, loss: TaskLoss, support: Batch, picks: Tensor, lr: float
) -> Parameters:
    """Return each task's weights after its steps of Adam.

    Adam treats every entry alone, so that a step on the stack is a step on each task.

    Args:
        weights: What the tasks start from, ``(tasks, ...)``.
        loss: Of one task, on one mini-batch.
        support: Stacked over tasks.
        picks: Which examples make up each mini-batch, ``(tasks, steps, batch)``.
        lr: The learning rate.
    """
    weights = {name: value.detach().clone() for name, value in weights.items()}
    optimiser = torch.optim.Adam(list(weights.values()), lr=lr)
    gradients = vmap(grad(loss))
    task = torch.arange(len(picks), device=picks.device).unsqueeze(-1)
    for pick in picks.unbind(1):
        batch = Batch(support.x[task, pick], support.y[task, pick])
        for name, gradient in gradients(weights, batch).items():
            weights[name].grad = gradient
        optimiser.step()
    return weights


@dataclass(frozen=True, kw_only=True)
class PretrainedHyper(FitHyper):
    """What pre-training can be told, besides how a task is learnt."""

    flat_batch: int = hp(16, "examples of one step of pre-training", at_least=2)
    meta_lr: float = hp(1e-3, "learning rate of Adam in pre-training", above=0)
    norm_momentum: float = hp(
        0.1,
        "weight of the latest batch in the body's running statistics; 1 forgets all others",
        above=0,
        at_most=1,
        when={"released": 1.0},
    )


class Pretrained(Algorithm):
    """Pre-train on flat batches, freeze the body, and fit a fresh head to every task.

    The frozen body normalises by running statistics, so that no prediction depends on another
    query, whatever the protocol's choice.
    """

    Hyper: ClassVar[type[Hyper]] = PretrainedHyper
    kinds: ClassVar[tuple[ProblemKind, ...]] = ("classification",)
    training = "batches"
    released_restores = "nothing"
    hyper: PretrainedHyper

    @abstractmethod
    def head(self, uniforms: Tensor) -> Parameters:
        """Return the weights of heads to start from.

        Args:
            uniforms: Random numbers in [0, 1), ``(..., outputs, features)``.
        """

    @abstractmethod
    def logits(self, head: Parameters, features: Tensor) -> Tensor:
        """Return ``(n, outputs)`` for ``(n, features)``; ``head`` may hold other weights too."""

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return body and head at random, and the statistics that torch begins with."""
        learner = self.problem.learner
        body, _ = learner.split(learner.initialise(generator))
        _, features = learner.head_shape
        classes = self.problem.train_classes
        if classes is None:
            raise MisuseError(f"{self.name} needs the number of training classes, which is unknown")
        uniforms = torch.rand(classes, features, generator=generator)
        mean = torch.stack(
            [torch.zeros(shape) for name, shape in learner.shapes if name.endswith("gamma")]
        )
        statistics = Statistics(mean, torch.ones_like(mean))
        return {"body": body, **self.head(uniforms), **statistics._asdict()}

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the gradient of the mean loss over a flat batch, and the statistics after it."""
        x, y = tasks.task(0).query
        found: list[Statistics] = []
        with torch.enable_grad():
            leaves = {
                name: value.detach().requires_grad_()
                for name, value in meta.items()
                if name not in Statistics._fields
            }
            features = self.problem.learner.features(leaves["body"], x, recording(found))
            logits = self.logits(leaves, features)
            loss = self.problem.loss(logits, y)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        latest = Statistics(*(torch.stack(parts) for parts in zip(*found, strict=True)))
        averages = {
            name: torch.lerp(meta[name].detach(), value, self.hyper.norm_momentum)
            for name, value in latest._asdict().items()
        }
        return MetaStep(
            dict(zip(leaves, gradients, strict=True)), logits.detach().unsqueeze(0), averages
        )

    @torch.no_grad()
    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Fit a head to the features of each support set; the engine has no part in it."""
        support = Batch(self.features(meta, support.x), support.y)
        picks, head = self.chances(support, randomness)
        adapted = fit(head, self.head_loss, support, picks, self.hyper.test_lr)
        predictions: Tensor = vmap(self.logits)(adapted, self.features(meta, query_x))
        return predictions

    def features(self, meta: Parameters, x: Tensor) -> Tensor:
        """Return what the frozen body makes of images, ``(tasks, n, features)``."""
        statistics = Statistics(meta["mean"], meta["variance"])
        body, rule = meta["body"], by_statistics(statistics)
        images = x.flatten(0, 1).split(IMAGES_AT_ONCE)
        features = torch.cat([self.problem.learner.features(body, some, rule) for some in images])
        stacked: Tensor = features.unflatten(0, x.shape[:2])
        return stacked

    def chances(self, support: Batch, randomness: Randomness) -> tuple[Tensor, Parameters]:
        """Return what chance decides of each task: its mini-batches, and the head it starts with.

        Returns:
            The mini-batches, ``(tasks, steps, batch)``, and the weights of the heads, stacked.
        """
        steps, batch, shape = (
            self.hyper.test_steps,
            self.hyper.test_batch,
            self.problem.learner.head_shape,
        )
        count = steps * batch
        uniforms = randomness.uniform(count + shape[0] * shape[1], like=support.x)
        picks = choose(uniforms[:, :count].unflatten(1, (steps, batch)), support.x.shape[1])
        return picks, self.head(uniforms[:, count:].unflatten(1, shape))

    def head_loss(self, head: Parameters, batch: Batch) -> Tensor:
        """Return the loss of one task's head on features and their labels."""
        return self.problem.loss(self.logits(head, batch.x), batch.y)
