"""TURTLE: a stateless feed-forward network proposes every weight update.

Paper: Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y.
Equations are numbered as in chapter 3 of Huisman, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mlbench.contract import Parameters, hp
from mlbench.inner import GradientBased, InnerHyper, UpdateRule
from mlbench.learners import Shapes, initial, linear_shapes
from mlbench.native import feed_forward


@dataclass(frozen=True, kw_only=True)
class TurtleHyper(InnerHyper):
    """The defaults are those of the image experiments; on sine, those of Figure 3.2."""

    hidden: tuple[int, ...] = hp((20,) * 5, "hidden layers of the meta-network g_φ", at_least=1)
    history: Literal["none", "gradients", "updates"] = hp(
        "gradients", "what h averages (Eq. 3.6)", when={"regression": "none"}
    )
    beta: float = hp(0.9, "β, the memory of h", at_least=0, at_most=1)
    learn_rates: bool = hp(
        True, "learn one rate per weight, α; otherwise α = 1", when={"regression": False}
    )
    time: bool = hp(False, "show the step t to g_φ")


class History(NamedTuple):
    """What g_φ may be told of earlier steps: the average h and the last update, ``(n,)`` each."""

    average: Tensor
    update: Tensor


class MetaNetwork(UpdateRule[History]):
    """θ⁽ᵗ⁺¹⁾ = θ⁽ᵗ⁾ + α ⊙ g_φ(∇, h); α ~ U(0, 1) at first and unconstrained after."""

    per_weight = ("alpha",)
    native = True
    hyper: TurtleHyper

    @property
    def layers(self) -> Shapes:
        """Return the tensors of φ: g_φ sees one weight's gradient, h and t, as far as asked for."""
        inputs = 1 + (self.hyper.history != "none") + self.hyper.time
        return linear_shapes((inputs, *self.hyper.hidden, 1), "phi")

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        """Return φ, and α, ``(n,)``, where rates are learnt."""
        meta = {name: initial(name, shape, generator) for name, shape in self.layers}
        if self.hyper.learn_rates:
            meta["alpha"] = torch.rand(theta.shape, generator=generator)
        return meta

    def start(self, meta: Parameters, theta: Tensor) -> History:
        """Return the history before any update: zero."""
        return History(torch.zeros_like(theta), torch.zeros_like(theta))

    def step(
        self,
        meta: Parameters,
        state: History,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, History]:
        """Add what the meta-network proposes (Eq. 3.7)."""
        average = self.remember(state, gradient, t)
        update = self.propose(meta, self.see(gradient, average, t))
        return theta + update, History(average, update)

    def remember(self, state: History, gradient: Tensor, t: int) -> Tensor:
        """Return h ← β h + (1 - β) v (Eq. 3.6), v the gradient or the last update.

        The average starts at the first v there is: the gradient at t = 0, the update at t = 1.
        """
        of_gradients = self.hyper.history == "gradients"
        latest = gradient if of_gradients else state.update
        if t <= (0 if of_gradients else 1):
            return latest
        return self.hyper.beta * state.average + (1 - self.hyper.beta) * latest

    def see(self, gradient: Tensor, average: Tensor, t: int) -> Tensor:
        """Return what g_φ is shown, ``(n, inputs)``: a row for every weight."""
        inputs = [gradient]
        if self.hyper.history != "none":
            inputs.append(average)
        if self.hyper.time:
            inputs.append(torch.full_like(gradient, t))
        return torch.stack(inputs, dim=-1)

    def propose(self, meta: Parameters, inputs: Tensor) -> Tensor:
        """Return α ⊙ g_φ(inputs), ``(n,)``: one network, shared by all weights."""
        proposal = feed_forward([meta[name] for name, _ in self.layers], inputs).squeeze(-1)
        return meta["alpha"] * proposal if self.hyper.learn_rates else proposal


class Turtle(GradientBased):
    """Stateless neural meta-learning with second-order gradients."""

    name = "turtle"
    paper = "Huisman et al., 2022, https://doi.org/10.1007/s10994-022-06210-y"
    Hyper = TurtleHyper
    Rule = MetaNetwork
    released_restores = "theta"
