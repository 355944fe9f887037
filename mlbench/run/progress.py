"""Where a run is, as far as plain values say it; tensors lie beside it in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from mlbench.errors import CheckpointError
from mlbench.run.events import Phase


@dataclass
class Progress:
    """Where a run is; plain values, so that a checkpoint can hold them.

    Args:
        position: Positions of the journal used so far.
        step: Meta-updates done.
        tasks: Training tasks met.
        phase: What comes next.
        losses: Of the evaluation under way, one per episode.
        scores: Likewise.
        seconds: Wall time by phase and data set.
        ended: Phases and data sets whose end was told.
        tested: Losses and scores of each test that has ended, by data set.
        nonfinite: How many meta-steps in a row had a loss or a gradient that is not finite.
        skipped: How many had in all.
        diverged: Why training stopped before its end; ``None`` if it did not.
        best_score: The best validation score; ``None`` before the first.
        best_step: Meta-updates when it was reached.
    """

    position: int = 0
    step: int = 0
    tasks: int = 0
    phase: Phase = "validation"
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    tested: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    nonfinite: int = 0
    skipped: int = 0
    diverged: str | None = None
    best_score: float | None = None
    best_step: int = 0

    @property
    def place(self) -> tuple[object, ...]:
        """Return what runs have in common that can go on together."""
        done = (self.phase, self.tasks, len(self.losses))
        return (*done, tuple(self.tested), tuple(self.ended))

    @property
    def remark(self) -> str | None:
        """Return what is to be known of the training: why it ended, or what it left out."""
        if self.diverged is None and self.skipped:
            return f"{self.skipped} meta-steps were skipped, since they were not finite"
        return self.diverged


def progress_of(state: dict[str, Any]) -> Progress:
    """Return the position that a state holds.

    Raises:
        CheckpointError: The state was saved by another version of mlbench, or by no mlbench.
    """
    try:
        progress = Progress(**state["progress"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            "the checkpoint was saved by another version of mlbench; delete it to begin that run"
            f" again ({error})"
        ) from error
    for name, value in vars(progress).items():
        if not KINDS.get(name, is_count)(value):
            raise CheckpointError(
                f"the checkpoint holds a {name} that is none; delete it to begin that run again"
            )
    return progress


def is_count(value: object) -> bool:
    """Return whether a value is a count that a journal can hold."""
    return type(value) is int and 0 <= value < MOST


def are_numbers(value: object) -> bool:
    """Return whether a value is a list of numbers."""
    return type(value) is list and {*map(type, value)} <= {float, int}


def are_tests(value: object) -> bool:
    """Return whether a value is what tests found: losses and scores by data set."""
    return type(value) is dict and all(
        type(name) is str
        and type(found) in {tuple, list}
        and len(found) == 2
        and all(map(are_numbers, found))
        and len(found[0]) == len(found[1]) > 0
        for name, found in value.items()
    )


MOST = 2**62
KINDS: dict[str, Callable[[Any], bool]] = {
    "phase": lambda value: value in get_args(Phase),
    "losses": are_numbers,
    "scores": are_numbers,
    "seconds": lambda value: (
        type(value) is dict
        and {*map(type, value)} <= {str}
        and {*map(type, value.values())} <= {float, int}
    ),
    "ended": lambda value: type(value) is list and {*map(type, value)} <= {str},
    "tested": are_tests,
    "diverged": lambda value: value is None or type(value) is str,
    "best_score": lambda value: value is None or type(value) in {float, int},
}
"""What the values of a :class:`Progress` may be that are no counts."""
