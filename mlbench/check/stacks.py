"""Checks that runs computed as one program are what they are alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import vmap

from mlbench.check.finding import NotDueError
from mlbench.check.problems import Technique
from mlbench.check.steps import agree
from mlbench.contract import Algorithm, Parameters
from mlbench.engines import Loop, Stacked
from mlbench.run.stack import NoChance

OTHER = 0.9  # what Θ of the second run is, times that of the first


def check_stackable(technique: Technique) -> None:
    """Compare a stack of two runs with each of them alone."""
    if not technique.cls.stackable:
        raise NotDueError("it does not say that runs of it can be one program")
    first = technique.meta(technique.build())
    metas = [first, {name: OTHER * value for name, value in first.items()}]
    together = {name: torch.stack([meta[name] for meta in metas]) for name in first}
    stacked, looped = technique.build(engine=Stacked()), technique.build(engine=Loop())
    found = vmap(lambda meta: outcome(technique, stacked, meta))(together)
    for run, meta in enumerate(metas):
        predictions, gradients = outcome(technique, looped, meta)
        agree("predictions", predictions, found[0][run], "stack of runs", "")
        for name, gradient in gradients.items():
            what = f"meta-gradients of {name}"
            agree(what, gradient, found[1][name][run], "stack of runs", "")


def outcome(
    technique: Technique, algorithm: Algorithm, meta: Parameters
) -> tuple[Tensor, Parameters]:
    """Return predictions and meta-gradients of one run."""
    tasks = technique.tasks()
    chance = NoChance(bytes(16), 0, 0)
    predictions = algorithm.predict(meta, tasks.support, tasks.query.x, chance)
    return predictions, algorithm.meta_step(meta, technique.lessons(algorithm)).gradients
