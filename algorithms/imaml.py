"""iMAML: the meta-gradient from where the inner loop ends, whichever way it went there.

Paper: Rajeswaran, Finn, Kakade and Levine, 2019, https://arxiv.org/abs/1909.04630.
A task ends at φ = argmin L_support(φ) + λ/2 ‖φ - θ‖² and, by the implicit function theorem,
teaches (I + ∇²L_support(φ)/λ)⁻¹ ∇L_query(φ): exact as far as T steps of gradient descent reach φ
and C of conjugate gradient solve the system; λ must outweigh any negative curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import Batch, MetaStep, Parameters, TaskBatch, hp
from mlbench.engines import InnerGradient, ThetaLoss
from mlbench.inner import GradientBased, InnerHyper, last

from .maml import GradientDescent


@dataclass(frozen=True, kw_only=True)
class ImamlHyper(InnerHyper):
    """The defaults are the paper's for miniImageNet; it has no sine: there, α and λ were tried."""

    train_steps: int = hp(10, "updates T per task in meta-training", at_least=1)
    test_steps: int = hp(10, "updates T per task in validation and test", at_least=1)
    order: int = hp(1, "1: no derivative goes through the updates", one_of=(1,))
    inner_lr: float = hp(0.1, "α, the inner step size", above=0, when={"regression": 0.02})
    proximity: float = hp(0.5, "λ, the pull of φ to θ", above=0, when={"regression": 10.0})
    solver_steps: int = hp(5, "steps C of conjugate gradient", at_least=1)
    damping: float = hp(0.0, "added to the matrix's diagonal", at_least=0)


class Imaml(GradientBased):
    """MAML with implicit gradients: memory does not grow with T."""

    name = "imaml"
    paper = "Rajeswaran et al., 2019, https://arxiv.org/abs/1909.04630"
    Hyper = ImamlHyper
    Rule = GradientDescent
    hyper: ImamlHyper

    def support_loss(self, meta: Parameters, support: Batch) -> ThetaLoss:
        """Return L_support(φ) + λ/2 ‖φ - θ‖², as a function of φ."""
        plain, theta = super().support_loss(meta, support), meta["theta"]

        def loss(phi: Tensor) -> Tensor:
            return plain(phi) + self.hyper.proximity / 2 * (phi - theta).square().sum()

        return loss

    def lesson(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Parameters, Tensor]:
        """Return the implicit meta-gradient of one task, and its query predictions."""
        steps = self.hyper.train_steps
        phi = last(self.inner_loop(meta, task.support, inner_gradient, steps=steps, order=1)).theta
        loss = self.support_loss(meta, task.support)

        def predictions(phi: Tensor) -> Tensor:
            return self.answer(meta, phi, task.support.x, task.query.x)

        def query_loss(phi: Tensor) -> Tensor:
            return self.problem.loss(predictions(phi), task.query.y)

        def matrix(vector: Tensor) -> Tensor:
            """Return (I + ∇²L_support/λ) v: of the regularised loss, the Hessian over λ."""
            product, _ = inner_gradient(
                lambda at: inner_gradient(loss, at, constant=False)[0] @ vector, phi, constant=True
            )
            return product / self.hyper.proximity + self.hyper.damping * vector

        gradient, _ = inner_gradient(query_loss, phi, constant=True)
        found = conjugate_gradient(matrix, gradient, self.hyper.solver_steps)
        return self.clip_meta({"theta": found}), predictions(phi)

    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the implicit meta-gradient, summed over the tasks."""
        return MetaStep(*self.engine.total(self.lesson, meta, tasks))


def conjugate_gradient(matrix: Callable[[Tensor], Tensor], right: Tensor, steps: int) -> Tensor:
    """Return an approximate solution of ``matrix(x) = right``; once it is exact, it stays."""
    x, residual, direction = torch.zeros_like(right), right, right
    for _ in range(steps):
        image = matrix(direction)
        length = ratio(residual @ residual, direction @ image)
        x, before = x + length * direction, residual
        residual = residual - length * image
        direction = residual + ratio(residual @ residual, before @ before) * direction
    return x


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotient, or zero where the denominator is zero."""
    return torch.where(denominator == 0, 0.0, numerator / denominator)
