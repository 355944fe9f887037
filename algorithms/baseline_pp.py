"""Baseline++: finetuning whose head compares directions, so that features of a class gather.

Paper: Chen, Liu, Kira, Wang and Huang, 2019, https://arxiv.org/abs/1904.04232. The head is
that of its authors' code: rows in weight normalisation, and logits scaled by 2.
"""

from __future__ import annotations

from torch import Tensor

from mlbench.contract import Parameters
from mlbench.transfer import Pretrained, rows

SCALE = 2.0  # of the logits
EPSILON = 1e-5  # added to the norm of the features


class BaselinePlusPlus(Pretrained):
    """Logits 2 gᵢ cos(vᵢ, f(x)) of the frozen body's features; v and g are the task's own."""

    name = "baseline_pp"
    paper = "Chen et al., 2019, https://arxiv.org/abs/1904.04232"

    def head(self, uniforms: Tensor) -> Parameters:
        """Return v, a row per class, uniform in ±1/√features, and its norms g, one per class."""
        direction = rows(uniforms)
        return {"head.direction": direction, "head.norm": direction.norm(dim=-1)}

    def logits(self, head: Parameters, features: Tensor) -> Tensor:
        """Return 2 gᵢ (vᵢ / ‖vᵢ‖) · f / (‖f‖ + ε) for every f."""
        direction = head["head.direction"]
        rows = direction / direction.norm(dim=-1, keepdim=True)
        unit = features / (features.norm(dim=-1, keepdim=True) + EPSILON)
        cosines: Tensor = unit @ rows.mT
        return SCALE * head["head.norm"] * cosines
