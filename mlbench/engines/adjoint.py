"""The adjoint loop: a meta-gradient whose memory for activations does not grow with T.

With u⁽ᵗ⁾ = (θ⁽ᵗ⁾, state⁽ᵗ⁾) and u⁽ᵗ⁺¹⁾ = F(u⁽ᵗ⁾, Θ) for one whole update F, gradient and all, the
adjoint λ⁽ᵗ⁾ = ∂L_query/∂u⁽ᵗ⁾ runs backwards,

    λ⁽ᵗ⁾ = (∂F/∂u)ᵀ λ⁽ᵗ⁺¹⁾    and    dL_query/dΘ = Σₜ (∂F/∂Θ)ᵀ λ⁽ᵗ⁺¹⁾ (+ what Θ does elsewhere).

Each product needs the graph of one update, which is made from u⁽ᵗ⁾ when its turn comes. What is
kept is every u⁽ᵗ⁾: θ and the rule's state, not the activations of the base-learner. The price is
each gradient twice, and whatever the support loss makes of Θ beforehand as often as there are
updates. Nothing is approximated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlbench.engines.base import Advance, Descent, Rule
from mlbench.engines.loop import ROWS, ByRows, Loop
from mlbench.engines.recompute import recomputed

if TYPE_CHECKING:
    from mlbench.contract import Parameters


class Recomputing(ByRows):
    """Autograd, and every update is made again in the backward pass."""

    def __init__(self, rows: int | None) -> None:
        super().__init__(rows)
        self.kept = ByRows(rows)

    def advance(self, descent: Descent, state: Any, theta: Tensor, t: int) -> Advance:
        """Take an update without a graph, which is made when it is differentiated."""
        if descent.order == 1:  # the gradient is a constant: no more than the rule has a graph
            return super().advance(descent, state, theta, t)

        def update(meta: Parameters, state: Any, theta: Tensor) -> Advance:
            second = torch.is_grad_enabled()  # in the backward pass, that is
            loss = descent.loss_of(meta) if second else descent.loss
            return self.kept.update(descent, meta, loss, state, theta, t, constant=not second)

        advanced: Advance = recomputed(update, descent.meta, state, theta)
        return advanced

    def step(
        self,
        rule: Rule,
        meta: Parameters,
        state: Any,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, Any]:
        """Return what ``rule.step`` does, its activations not kept."""
        if self.cuts(rule, theta):
            return super().step(rule, meta, state, theta, gradient, loss, t)

        stepped: tuple[Tensor, Any] = recomputed(rule.step, meta, state, theta, gradient, loss, t)
        return stepped


class Adjoint(Loop):
    """One task after another, in little memory: for many steps, large images, small machines."""

    name = "adjoint"

    def __init__(self, rows: int | None = ROWS) -> None:
        super().__init__(rows)
        self.inner = Recomputing(rows)
