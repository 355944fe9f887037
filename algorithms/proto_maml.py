"""Proto-MAML: MAML whose head starts, task by task, as that of a prototypical network.

Paper: Triantafillou et al., 2020, https://arxiv.org/abs/1903.03096. With class means c_k,

    -‖f(x) - c_k‖² = 2 c_k · f(x) - ‖c_k‖² - ‖f(x)‖²,

and the last term is the same for all classes: a linear head of weights W_k = 2 c_k and biases
b_k = -‖c_k‖² is the prototypical network. The inner loop then changes all weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, hp
from mlbench.embedding import class_means

from .maml import Maml, MamlHyper


@dataclass(frozen=True, kw_only=True)
class ProtoMamlHyper(MamlHyper):
    """MAML's but for the rate: the head of prototypes is large, and so are its gradients."""

    inner_lr: float = hp(0.001, "α, the step size of the inner loop", above=0)


class ProtoMaml(Maml):
    """MAML from the head of a prototypical network; Θ is the body alone."""

    name = "proto_maml"
    paper = "Triantafillou et al., 2020, https://arxiv.org/abs/1903.03096"
    Hyper = ProtoMamlHyper
    kinds = ("classification",)

    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return the body that MAML of this seed starts from; the head is made by the task."""
        body, _ = self.problem.learner.split(super().initialise(generator)["theta"])
        return {"body": body.clone()}

    def start(self, meta: Parameters, support: Batch) -> Tensor:
        """Return the body and the head of the prototypes, ``(n,)``; both pass gradients on."""
        learner = self.problem.learner
        features = learner.features(meta["body"], support.x)
        prototypes = class_means(Batch(features, support.y), learner.head_shape[0])
        matrix, bias = 2 * prototypes, -prototypes.square().sum(-1)
        return torch.cat((meta["body"], matrix.flatten(), bias))

    def clip_meta(self, gradients: Parameters) -> Parameters:
        """Bound each entry of one task's gradient of the body, which is all there is of θ."""
        return {"body": super().clip_meta({"theta": gradients["body"]})["theta"]}
