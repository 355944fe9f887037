"""My technique: gradient descent whose rate is learnt (say here what yours does, in one line).

Paper: yours. Below the line, say what a reader needs to know, with the numbers of equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import Parameters, hp
from mlbench.inner import GradientBased, InnerHyper, UpdateRule


@dataclass(frozen=True, kw_only=True)
class MyTechniqueHyper(InnerHyper):
    """Steps, order, clipping, meta-batch and meta_lr come from InnerHyper; add your own here."""

    inner_lr: float = hp(0.01, "α, the first rate of the inner loop", above=0)


class MyTechniqueRule(UpdateRule[None]):
    """How one task's weights change: θ⁽ᵗ⁺¹⁾ = θ⁽ᵗ⁾ - exp(λ) ∇L_support(θ⁽ᵗ⁾)."""

    hyper: MyTechniqueHyper

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        """Return what the rule learns besides θ; randomness comes from ``generator`` alone."""
        return {"log_rate": torch.tensor(self.hyper.inner_lr).log()}

    def start(self, meta: Parameters, theta: Tensor) -> None:
        """Remember nothing between steps; a rule with a memory returns it here and in step."""

    def step(
        self, meta: Parameters, state: None, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, None]:
        """Return the next weights, ``(n,)``, from these and the gradient of the support loss."""
        return theta - meta["log_rate"].exp() * gradient, None


class MyTechnique(GradientBased):
    """What 'mlbench list' and 'mlbench describe' know: a name, a paper, the parts above."""

    name = "my_technique"
    paper = "yours"
    Hyper = MyTechniqueHyper
    Rule = MyTechniqueRule
