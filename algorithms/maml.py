"""MAML: learn an initialisation from which a few gradient steps suffice.

Paper: Finn, Abbeel and Levine, 2017, https://arxiv.org/abs/1703.03400.
Equation 3.1 of Huisman, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlbench.contract import Parameters, hp
from mlbench.inner import GradientBased, InnerHyper, UpdateRule


@dataclass(frozen=True, kw_only=True)
class MamlHyper(InnerHyper):
    """The defaults are those of the paper's experiments."""

    test_steps: int = hp(
        10, "updates T per task in validation and test", at_least=1, when={"regression": 5}
    )
    clip: float | None = hp(
        10.0, "bound on each entry of the support gradient", above=0, when={"1-step": None}
    )
    inner_lr: float = hp(0.01, "α, the step size of the inner loop", above=0)
    meta_batch: int = hp(
        2, "tasks J per meta-update", at_least=1, when={"1-shot": 4, "regression": 1}
    )


class GradientDescent(UpdateRule[None]):
    """θ⁽ᵗ⁺¹⁾ = θ⁽ᵗ⁾ - α ∇L_support(θ⁽ᵗ⁾)."""

    hyper: MamlHyper

    def start(self, meta: Parameters, theta: Tensor) -> None:
        """Remember nothing."""

    def step(
        self, meta: Parameters, state: None, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, None]:
        """Take one step of gradient descent (Eq. 3.1)."""
        return theta - self.hyper.inner_lr * gradient, None


class Maml(GradientBased):
    """Model-agnostic meta-learning, second order unless told otherwise."""

    name = "maml"
    paper = "Finn et al., 2017, https://arxiv.org/abs/1703.03400"
    Hyper = MamlHyper
    Rule = GradientDescent
