"""First-order TURTLE: TURTLE whose inner gradients are constants to the meta-gradient.

Paper: Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y.
φ and α still learn through every step; θ learns through the identity path alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlbench.contract import hp

from .turtle import Turtle, TurtleHyper


@dataclass(frozen=True, kw_only=True)
class FirstOrderTurtleHyper(TurtleHyper):
    """TURTLE's, of order 1."""

    order: int = hp(1, "1: gradients are constants to the meta-gradient", one_of=(1,))


class FirstOrderTurtle(Turtle):
    """TURTLE without second derivatives."""

    name = "fo_turtle"
    Hyper = FirstOrderTurtleHyper
