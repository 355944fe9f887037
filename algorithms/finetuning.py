"""Finetuning: a body trained on all training classes, and a fresh linear head for every task.

Paper: Chen, Liu, Kira, Wang and Huang, 2019, https://arxiv.org/abs/1904.04232 (their Baseline).
"""

from __future__ import annotations

from torch import Tensor

from mlbench.contract import Parameters
from mlbench.transfer import Pretrained, rows


class Finetuning(Pretrained):
    """Logits W f(x) + b of the frozen body's features f(x); W and b are the task's own."""

    name = "finetuning"
    paper = "Chen et al., 2019, https://arxiv.org/abs/1904.04232"

    def head(self, uniforms: Tensor) -> Parameters:
        """Return W, uniform in ±1/√features, and b = 0."""
        weight = rows(uniforms)
        return {"head.weight": weight, "head.bias": weight.new_zeros(weight.shape[:-1])}

    def logits(self, head: Parameters, features: Tensor) -> Tensor:
        """Return W f + b for every f."""
        return features @ head["head.weight"].mT + head["head.bias"]
