"""A plugin whose runs fail, as a file that a test drops."""

BROKEN = '''"""A technique that breaks down."""

from mlbench.contract import Algorithm, Hyper, hp
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BrokenHyper(Hyper):
    """What every technique has."""

    meta_batch: int = hp(2, "tasks per meta-update", at_least=1)
    meta_lr: float = hp(1e-3, "learning rate", above=0)


class Broken(Algorithm):
    """Takes no meta-step."""

    name = "broken"
    paper = "none"
    kinds = ("regression",)
    Hyper = BrokenHyper

    def initialise(self, generator):
        return {"theta": self.problem.learner.initialise(generator)}

    def meta_step(self, meta, tasks):
        raise KeyError("gradients")

    def predict(self, meta, support, query_x, randomness):
        return query_x
'''
