"""Engines run one task's function over a batch of tasks; what they share is in ``base``."""

from mlbench.engines.adjoint import Adjoint
from mlbench.engines.base import (
    Clip,
    Descent,
    Engine,
    Inner,
    InnerGradient,
    Lesson,
    Objective,
    Predict,
    ThetaLoss,
)
from mlbench.engines.loop import Loop, autograd_gradient
from mlbench.engines.stacked import Mixed, Stacked, functional_gradient

__all__ = [
    "ENGINES",
    "Adjoint",
    "Clip",
    "Descent",
    "Engine",
    "Inner",
    "InnerGradient",
    "Lesson",
    "Loop",
    "Mixed",
    "Objective",
    "Predict",
    "Stacked",
    "ThetaLoss",
    "autograd_gradient",
    "functional_gradient",
]

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (Loop, Stacked, Mixed, Adjoint)
}
