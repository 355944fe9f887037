"""Matching networks: attention over the support examples, by the cosine in a learnt embedding.

Paper: Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, 2016,
https://arxiv.org/abs/1606.04080. Equations are numbered as there. Support and query share one
embedding, f = g; the full-context embeddings of section 2.1.2, LSTMs over the support set, are
left out.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mlbench.contract import Batch, Parameters
from mlbench.embedding import EmbeddingBased, one_hot


class MatchingNet(EmbeddingBased):
    """Matching networks without full-context embeddings; predictions are log-probabilities."""

    name = "matching_net"
    paper = "Vinyals et al., 2016, https://arxiv.org/abs/1606.04080"
    kinds = ("classification",)

    def read_out(self, meta: Parameters, support: Batch, query: Tensor, ways: int) -> Tensor:
        """Return the logarithm of the attention that each class gets (Eq. 1).

        Cosines are at most 2 apart, so no attention is below e⁻²/n: the logarithm is safe.
        """
        attention = self.attend(support.x, query)
        return (attention @ one_hot(support.y, ways, attention)).log()

    def attend(self, support: Tensor, query: Tensor) -> Tensor:
        """Return a(x̂, x_i), the softmax of the cosines, ``(queries, n)`` (section 2.1.1)."""
        cosines = F.normalize(query, dim=-1) @ F.normalize(support, dim=-1).T
        return cosines.softmax(-1)
