"""What happens in a run. The journal, the progress bar and the dashboard read these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Episodes:
    """Consecutive episodes of one phase were met.

    Args:
        phase: Which phase.
        eval_dataset: Where they come from.
        first: The first one's place in its stream.
        steps: Meta-updates done when each was met.
        losses: Query loss of each; NaN and infinities are recorded as they are.
        scores: Accuracy in [0, 1] or mean squared error of each.
        seconds: Wall time of them all.
        keys: Equal keys, equal episodes.
    """

    phase: Phase
    eval_dataset: str
    first: int
    steps: list[int]
    losses: list[float]
    scores: list[float]
    seconds: float
    keys: list[int]

    @property
    def positions(self) -> int:
        """Return how many positions of the run's journal this takes."""
        return len(self.losses)


@dataclass(frozen=True, slots=True)
class Validated:
    """A validation ended.

    Args:
        step: Meta-updates done.
        tasks: Training tasks met.
        loss: Mean over the validation tasks.
        score: Mean over the validation tasks.
        best: Whether it beats every earlier one.
    """

    step: int
    tasks: int
    loss: float
    score: float
    best: bool
    positions: int = 1


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase ended.

    Args:
        phase: Which phase.
        eval_dataset: What its episodes came from.
        seconds: Wall time of the whole phase, all attempts together.
    """

    phase: Phase
    eval_dataset: str
    seconds: float
    positions: int = 1


Event = Episodes | Validated | PhaseEnded
