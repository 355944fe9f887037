"""Techniques that learn an embedding: one pass over support and query, then a closed form.

The body of the base-learner embeds both sets of a task, and what the support features say of the
query features is the technique's: :meth:`EmbeddingBased.read_out`. There is no inner loop, and the
meta-gradient is that of the query loss.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

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
class EmbeddingHyper(Hyper):
    """What every such technique can be told."""

    meta_batch: int = hp(1, "tasks J per meta-update", at_least=1)
    meta_lr: float = hp(1e-3, "learning rate of Adam on Θ", above=0)


class EmbeddingBased(Algorithm):
    """A technique whose Θ is the base-learner's body, ``body``, and what it adds to that."""

    Hyper: ClassVar[type[Hyper]] = EmbeddingHyper
    stackable = True

    @abstractmethod
    def read_out(self, meta: Parameters, support: Batch, query: Tensor, ways: int) -> Tensor:
        """Return one task's predictions, ``(queries, outputs)``.

        Args:
            meta: Θ, by name.
            support: Features, ``(n, features)``, and their targets.
            query: Features, ``(queries, features)``.
            ways: Classes of the task, which may be more in training than in the test; in
                regression, outputs.
        """

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return the body that other techniques of this seed start from; there is no head."""
        learner = self.problem.learner
        body, _ = learner.split(learner.initialise(generator))
        return {"body": body.clone()}

    def objective(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Tensor, Tensor]:
        """Return one task's query loss, and the query predictions."""
        ways = self.train_ways or self.ways
        prediction = self.embed_and_read_out(meta, task.support, task.query.x, ways)
        return self.problem.loss(prediction, task.query.y), prediction

    def predict_one(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        """Return one task's predictions, ``(queries, outputs)``."""
        return self.embed_and_read_out(meta, support, query_x, self.ways)

    @property
    def ways(self) -> int:
        """Return how many classes a task of the test has, or outputs in regression."""
        return self.problem.learner.head_shape[0]

    def embed_and_read_out(
        self, meta: Parameters, support: Batch, query_x: Tensor, ways: int
    ) -> Tensor:
        """Embed both sets of one task and answer, ``(queries, outputs)``."""
        features, query = self.problem.embed(meta["body"], support.x, query_x)
        return self.read_out(meta, Batch(features, support.y), query, ways)

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the gradient of the query loss, summed over the tasks."""
        return MetaStep(*self.engine.meta_gradients(self.objective, meta, tasks, dict))

    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Answer for every task; nothing is left to chance."""
        return self.engine.predictions(self.predict_one, meta, support, query_x)


def one_hot(labels: Tensor, ways: int, like: Tensor) -> Tensor:
    """Return ``(n, ways)``, 1 where a label is and 0 elsewhere, of the type of ``like``."""
    return (labels[:, None] == torch.arange(ways, device=labels.device)).to(like.dtype)


def class_means(support: Batch, ways: int) -> Tensor:
    """Return the mean features of each class, ``(ways, features)``: the prototypes c_k.

    Args:
        support: Features, ``(n, features)``, and labels, in any order; no class is absent.
        ways: Number of classes.
    """
    members = one_hot(support.y, ways, support.x)
    return members.T @ support.x / members.sum(0)[:, None]
