"""Meta-SGD: learn an initialisation and, for every weight, the rate at which it learns.

Paper: Li, Zhou, Chen and Li, 2017, https://arxiv.org/abs/1707.09835.
A rate may turn negative, so α decides the direction of an update, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import Parameters, hp
from mlbench.inner import GradientBased, InnerHyper, UpdateRule


@dataclass(frozen=True, kw_only=True)
class MetaSgdHyper(InnerHyper):
    """The paper takes one step, and draws the α that all weights start with from [0.005, 0.1].

    Meta-batches are those of MAML.
    """

    train_steps: int = hp(1, "updates T per task in meta-training", at_least=1)
    test_steps: int = hp(1, "updates T per task in validation and test", at_least=1)
    alpha_low: float = hp(0.005, "lowest α at first, drawn uniformly")
    alpha_high: float = hp(0.1, "highest α at first")
    meta_batch: int = hp(
        2, "tasks J per meta-update", at_least=1, when={"1-shot": 4, "regression": 1}
    )


class LearntRates(UpdateRule[None]):
    """θ⁽ᵗ⁺¹⁾ = θ⁽ᵗ⁾ - α ⊙ ∇L_support(θ⁽ᵗ⁾), α one rate per weight."""

    hyper: MetaSgdHyper

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        """Return α, ``(n,)``, at first the same for all weights."""
        low, high = self.hyper.alpha_low, self.hyper.alpha_high
        rate = low + (high - low) * torch.rand((), generator=generator)
        return {"alpha": rate.expand(theta.shape).clone()}

    def start(self, meta: Parameters, theta: Tensor) -> None:
        """Remember nothing."""

    def step(
        self, meta: Parameters, state: None, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, None]:
        """Take one step, each weight at its own rate (Eq. 2)."""
        return theta - meta["alpha"] * gradient, None


class MetaSgd(GradientBased):
    """MAML whose inner rates are learnt, one per weight."""

    name = "meta_sgd"
    paper = "Li et al., 2017, https://arxiv.org/abs/1707.09835"
    Hyper = MetaSgdHyper
    Rule = LearntRates
