"""Prototypical networks: the nearest class mean in a learnt embedding.

Paper: Snell, Swersky and Zemel, 2017, https://arxiv.org/abs/1703.05175.
Equations are numbered as there. Trained, as the paper is, with more ways than it is tested with
(section 2.7); the decay of its learning rate is not done.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlbench.contract import Batch, Parameters, hp
from mlbench.embedding import EmbeddingBased, EmbeddingHyper, class_means


@dataclass(frozen=True, kw_only=True)
class ProtoNetHyper(EmbeddingHyper):
    """Defaults are the paper's: for 1 shot those of Omniglot, otherwise those of miniImageNet.

    On miniImageNet, the paper trains for 1 shot with 30 ways and 15 queries.
    """

    train_ways: int = hp(
        20,
        "classes of a training episode, no more than there are; the test's are --ways",
        at_least=2,
        when={"1-shot": 60},
    )
    train_queries: int = hp(
        15, "queries per class of a training episode", at_least=1, when={"1-shot": 5}
    )


class ProtoNet(EmbeddingBased):
    """Prototypical networks with the squared Euclidean distance."""

    name = "protonet"
    paper = "Snell et al., 2017, https://arxiv.org/abs/1703.05175"
    kinds = ("classification",)
    Hyper = ProtoNetHyper

    def read_out(self, meta: Parameters, support: Batch, query: Tensor, ways: int) -> Tensor:
        """Return -‖f(x) - c_k‖² as logits (Eq. 2), c_k the class means (Eq. 1)."""
        prototypes = class_means(support, ways)
        return -(query[:, None] - prototypes).square().sum(-1)
