"""Meta-learner LSTM: the weights are the cell state of an LSTM, and its gates are learnt.

Paper: Ravi and Larochelle, 2017, https://openreview.net/forum?id=rJY0-Kcll.
Equations are numbered as in chapter 3 of Huisman, 2024. With a forget gate of one and an input
gate of α the rule is MAML's (Theorem 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench.contract import Batch, Parameters, hp
from mlbench.inner import GradientBased, InnerHyper, UpdateRule
from mlbench.native import lstm_cell

P = 10.0
"""p of the preprocessing: below e⁻ᵖ a number is shown in proportion, not by its logarithm."""

EXP_P = 22026.46484375
"""eᵖ in single precision, as the authors' code has it whatever the precision of the rest."""


@dataclass(frozen=True, kw_only=True)
class LstmHyper(InnerHyper):
    """The defaults are those of the image experiments; the paper gives none for sine."""

    train_steps: int = hp(5, "updates T per task in meta-training", at_least=1, when={"1-shot": 12})
    test_steps: int = hp(
        5, "updates T per task in validation and test", at_least=1, when={"1-shot": 12}
    )
    order: int = hp(
        1, "2 differentiates through the updates, 1 takes gradients as constants", one_of=(1, 2)
    )
    clip: float | None = hp(None, "bound on each entry of the support gradient", above=0)
    meta_clip: float | None = hp(
        0.25, "bound on the L2 norm of a task's gradient of Θ, all tensors taken together", above=0
    )
    meta_batch: int = hp(1, "tasks J per meta-update", at_least=1)
    hidden: int = hp(20, "units of the LSTM that watches each weight", at_least=1)
    inputs: Literal["processed", "raw"] = hp(
        "processed", "what that LSTM sees: preprocessed loss and gradient, or the gradient itself"
    )
    gates: Literal["equation", "pre-sigmoid"] = hp(
        "equation",
        "the previous gates as Eq. 3.3 has them, or before their sigmoid",
        when={"released": "pre-sigmoid"},
    )
    divide: bool = hp(
        False,
        "divide the gradient of the mean support loss again by the size of the support set",
        when={"released": True},
    )


class Memory(NamedTuple):
    """What is remembered of each weight, a row or an entry of it.

    Args:
        hidden: Hidden state h of the LSTM, ``(n, hidden)``.
        cell: Its cell state, ``(n, hidden)``.
        forget: The previous forget gate, ``(n,)``.
        input: The previous input gate, ``(n,)``.
    """

    hidden: Tensor
    cell: Tensor
    forget: Tensor
    input: Tensor


class GatedDescent(UpdateRule[Memory]):
    """θ⁽ᵗ⁺¹⁾ = f ⊙ θ⁽ᵗ⁾ - i ⊙ ∇, with gates that one LSTM sets, weight by weight.

    The biases start where this is nearly gradient descent: f = σ(4 … 6) keeps 98.2 to 99.8 % of
    a weight, and the rate i = σ(-5 … -4) is .007 to .018.
    """

    per_weight = ()
    native = True
    hyper: LstmHyper

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        """Return the weights of the LSTM, uniform in ±1/√hidden, and of both gates, in ±.01."""

        def draw(low: float, high: float, *shape: int) -> Tensor:
            return torch.empty(shape).uniform_(low, high, generator=generator)

        units = self.hyper.hidden
        seen = 4 if self.hyper.inputs == "processed" else 1
        bound = 1 / math.sqrt(units)
        return {
            "lstm.input.weight": draw(-bound, bound, 4 * units, seen),
            "lstm.input.bias": draw(-bound, bound, 4 * units),
            "lstm.hidden.weight": draw(-bound, bound, 4 * units, units),
            "lstm.hidden.bias": draw(-bound, bound, 4 * units),
            "forget_gate.weight": draw(-0.01, 0.01, 1, units + 2),
            "forget_gate.bias": draw(4, 6, 1),
            "input_gate.weight": draw(-0.01, 0.01, 1, units + 2),
            "input_gate.bias": draw(-5, -4, 1),
        }

    def start(self, meta: Parameters, theta: Tensor) -> Memory:
        """Return the memory before any update: zero, the previous gates too, as there are none."""
        state, gate = theta.new_zeros(len(theta), self.hyper.hidden), torch.zeros_like(theta)
        return Memory(state, state, gate, gate)

    def step(
        self,
        meta: Parameters,
        state: Memory,
        theta: Tensor,
        gradient: Tensor,
        loss: Tensor,
        t: int,
    ) -> tuple[Tensor, Memory]:
        """Forget some of each weight and take in some of its gradient (Eq. 3.3)."""
        hidden, cell = self.watch(meta, state, self.see(gradient, loss))
        keep, forget = self.gate(meta, "forget_gate", hidden, theta, state.forget)
        rate, input_ = self.gate(meta, "input_gate", hidden, theta, state.input)
        return keep * theta - rate * gradient, Memory(hidden, cell, forget, input_)

    def see(self, gradient: Tensor, loss: Tensor) -> Tensor:
        """Return what the LSTM is shown, ``(n, inputs)``: a row for every weight.

        The loss is a constant in both orders; the gradient, in first order only.
        """
        if self.hyper.inputs == "raw":
            return gradient.unsqueeze(-1)
        of_loss = preprocess(loss.detach()).expand(len(gradient), 2)
        return torch.cat((of_loss, preprocess(gradient)), dim=-1)

    def watch(self, meta: Parameters, state: Memory, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the LSTM's next hidden and cell state, ``(n, hidden)`` each."""
        weight = torch.cat((meta["lstm.input.weight"], meta["lstm.hidden.weight"]), dim=-1)
        bias = meta["lstm.input.bias"] + meta["lstm.hidden.bias"]
        return lstm_cell(seen, state.hidden, state.cell, weight, bias)

    def gate(
        self, meta: Parameters, name: str, hidden: Tensor, theta: Tensor, previous: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return σ(W [h, θ, previous] + b), ``(n,)``, and what the next step sees of it."""
        weight, bias = meta[f"{name}.weight"], meta[f"{name}.bias"]
        of_hidden, (of_theta, of_previous) = weight[0, :-2], weight[0, -2:].unbind()
        affine = F.linear(hidden, of_hidden) + of_theta * theta + of_previous * previous + bias
        opened = affine.sigmoid()
        return opened, opened if self.hyper.gates == "equation" else affine


def preprocess(x: Tensor) -> Tensor:
    """Return magnitude and sign of each entry, ``(..., 2)`` (Andrychowicz et al., 2016).

    (ln|x| / p, sign x) where |x| ≥ e⁻ᵖ and (-1, eᵖ x) elsewhere, with p = 10.
    """
    large = x.abs() >= math.exp(-P)
    # 1e-8 keeps the derivative finite at zero: infinity would make NaN of the branch not taken
    logarithm = (x.abs() + 1e-8).log() / P
    return torch.stack(
        (
            torch.where(large, logarithm, -torch.ones_like(x)),
            torch.where(large, x.sign(), EXP_P * x),
        ),
        dim=-1,
    )


class Lstm(GradientBased):
    """The meta-learner LSTM; θ, its initial cell state, is learnt like everything else."""

    name = "lstm"
    paper = "Ravi and Larochelle, 2017, https://openreview.net/forum?id=rJY0-Kcll"
    Hyper = LstmHyper
    Rule = GatedDescent
    released_restores = "nothing"
    hyper: LstmHyper

    @property
    def exact(self) -> bool:
        """Return whether nothing is taken as a constant: neither the gradient nor the loss."""
        return super().exact and self.hyper.inputs == "raw"

    def divisor(self, support: Batch) -> int:
        """Return the size of the support set, where gradients are divided by it."""
        return len(support.x) if self.hyper.divide else 1

    def clip_meta(self, gradients: Parameters) -> Parameters:
        """Scale one task's gradient of Θ, as one vector, down to the norm ``meta_clip``."""
        bound = self.hyper.meta_clip
        if bound is None:
            return gradients
        norm = torch.cat([value.flatten() for value in gradients.values()]).norm()
        scale = (bound / (norm + 1e-6)).clamp(max=1)
        return {name: scale * value for name, value in gradients.items()}
