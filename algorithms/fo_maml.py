"""First-order MAML: MAML whose inner gradients are constants to the meta-gradient.

Paper: Finn, Abbeel and Levine, 2017, section 5.2, https://arxiv.org/abs/1703.03400.
The rule is MAML's; only the order differs, and that belongs to the inner loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlbench.contract import hp

from .maml import Maml, MamlHyper


@dataclass(frozen=True, kw_only=True)
class FirstOrderMamlHyper(MamlHyper):
    """MAML's, of order 1."""

    order: int = hp(1, "1: gradients are constants to the meta-gradient", one_of=(1,))


class FirstOrderMaml(Maml):
    """MAML without second derivatives."""

    name = "fo_maml"
    Hyper = FirstOrderMamlHyper
