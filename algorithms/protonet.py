"""Prototypical networks: the nearest class mean in a learnt embedding.

Paper: Snell, Swersky and Zemel, 2017, https://arxiv.org/abs/1703.05175.
Equations are numbered as there. Trained with as many ways as it is tested with; the paper's
training with more, and the decay of its learning rate, are not done.
"""

from __future__ import annotations

from torch import Tensor

from mlbench.contract import Batch, Parameters
from mlbench.embedding import EmbeddingBased, class_means


class ProtoNet(EmbeddingBased):
    """Prototypical networks with the squared Euclidean distance."""

    name = "protonet"
    paper = "Snell et al., 2017, https://arxiv.org/abs/1703.05175"
    kinds = ("classification",)

    def read_out(self, meta: Parameters, support: Batch, query: Tensor) -> Tensor:
        """Return -‖f(x) - c_k‖² as logits (Eq. 2), c_k the class means (Eq. 1)."""
        ways, _ = self.problem.learner.head_shape
        prototypes = class_means(support, ways)
        return -(query[:, None] - prototypes).square().sum(-1)
