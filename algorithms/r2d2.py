"""R2-D2: a ridge regression on learnt features, solved in closed form for every task.

Paper: Bertinetto, Henriques, Torr and Vedaldi, 2019, https://arxiv.org/abs/1805.08136.
With support features X, ``(n, features + 1)``, and one-hot targets Y in {0, 1}, or, on a problem
of regression, which is not in the paper, the values themselves,

    W = argmin ‖XW - Y‖² + λ‖W‖² = Xᵀ(XXᵀ + λI)⁻¹Y,    ŷ = α x W + β

by the Woodbury identity: the system has n unknowns a column, one per example, instead of one per
feature. A constant 1 is appended to the features for a bias, as the authors' code does; that code
also divides X and Y by √n, which makes its λ what nλ is here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, hp
from mlbench.embedding import EmbeddingBased, EmbeddingHyper, one_hot


@dataclass(frozen=True, kw_only=True)
class R2D2Hyper(EmbeddingHyper):
    """λ, α and β are learnt; these say where the first two begin, and are not the authors'.

    Their λ begins at 50 n in these units and stays, and their α is another for every data set.
    """

    ridge: float = hp(50.0, "λ at first", above=0, when={"regression": 0.1})
    scale: float = hp(1.0, "α at first", above=0)


class R2D2(EmbeddingBased):
    """Ridge regression differentiable discriminator."""

    name = "r2d2"
    paper = "Bertinetto et al., 2019, https://arxiv.org/abs/1805.08136"
    Hyper = R2D2Hyper
    hyper: R2D2Hyper

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return the body, ln λ, α and, in regression, β, which softmax would not see."""
        meta = super().initialise(generator)
        meta["log_ridge"] = torch.tensor(self.hyper.ridge).log()
        meta["scale"] = torch.tensor(self.hyper.scale)
        if self.problem.kind == "regression":
            meta["shift"] = torch.tensor(0.0)
        return meta

    def read_out(self, meta: Parameters, support: Batch, query: Tensor, ways: int) -> Tensor:
        """Return ŷ = α x W + β: logits, or values."""
        targets = support.y
        if self.problem.kind == "classification":
            targets = one_hot(targets, ways, support.x)
        weights = solve(with_constant(support.x), targets, meta["log_ridge"].exp())
        values = meta["scale"] * (with_constant(query) @ weights)
        return values + meta["shift"] if "shift" in meta else values


def with_constant(features: Tensor) -> Tensor:
    """Append a 1 to every row."""
    return torch.cat((features, torch.ones_like(features[:, :1])), dim=-1)


def solve(features: Tensor, targets: Tensor, ridge: Tensor) -> Tensor:
    """Return W = Xᵀ(XXᵀ + λI)⁻¹Y, ``(features, outputs)``.

    Not by Cholesky, which refuses NaN: a run that diverges is to be recorded as one.
    """
    gram = features @ features.T
    ridges = ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weights: Tensor = features.T @ torch.linalg.solve_ex(gram + ridges, targets).result
    return weights
