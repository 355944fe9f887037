"""Enhanced meta-learner LSTM: raw gradients in, second-order gradients through.

Paper: Huisman, Plaat and van Rijn, 2022, https://doi.org/10.1007/s10994-022-06210-y.
The rule is the meta-learner LSTM's; its input, its order and the number of steps differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlbench.contract import hp

from .lstm import Lstm, LstmHyper


@dataclass(frozen=True, kw_only=True)
class EnhancedLstmHyper(LstmHyper):
    """The meta-learner LSTM's, but for those below."""

    train_steps: int = hp(8, "updates T per task in meta-training", at_least=1)
    test_steps: int = hp(8, "updates T per task in validation and test", at_least=1)
    order: int = hp(
        2, "2 differentiates through the updates, 1 takes gradients as constants", one_of=(1, 2)
    )
    inputs: Literal["processed", "raw"] = hp(
        "raw", "what the LSTM sees: the gradient itself, or preprocessed loss and gradient"
    )


class EnhancedLstm(Lstm):
    """The meta-learner LSTM as TURTLE's authors improved it."""

    name = "lstm_enhanced"
    paper = "Huisman et al., 2022, https://doi.org/10.1007/s10994-022-06210-y"
    Hyper = EnhancedLstmHyper
