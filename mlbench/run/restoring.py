"""What a saved state must be to go on from: a checkpoint may come from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from mlbench.contract import Parameters
from mlbench.errors import CheckpointError, MlbenchError, first_line

REMEDY = "delete its checkpoint to begin that run again"


@contextmanager
def restoring(algorithm: str) -> Iterator[None]:
    """Tell in one line what a state that does not fit its run makes of it."""
    try:
        yield
    except MlbenchError:
        raise
    except Exception as error:  # a state may hold anything
        raise CheckpointError(
            f"the saved state does not fit {algorithm} ({type(error).__name__}:"
            f" {first_line(error)}); {REMEDY}"
        ) from error


def check_fits(state: dict[str, Any], fresh: Parameters, algorithm: str) -> None:
    """Refuse meta-parameters of other names, shapes or kinds, before anything is made of them.

    Args:
        state: A saved one.
        fresh: What such a run begins with.
        algorithm: Its technique, for the message.

    Raises:
        CheckpointError: They are not those of this run.
    """
    for part in ("meta", "best"):
        found = state[part]
        if part == "best" and found == {}:
            continue  # before the first validation
        if not isinstance(found, dict) or set(found) != set(fresh):
            raise CheckpointError(
                f"the saved state has other {part} parameters than {algorithm}; {REMEDY}"
            )
        for name, value in found.items():
            if not is_like(value, fresh[name]):
                raise CheckpointError(
                    f"the saved state has a {name!r} of another shape than {algorithm}; {REMEDY}"
                )


def load_optimiser(optimiser: Optimizer, state: dict[str, Any], algorithm: str) -> None:
    """Let an optimiser go on from a saved state, whose settings are as many and of their types.

    Raises:
        CheckpointError: They are not.
    """
    with restoring(algorithm):
        before = kinds_of(optimiser)
        optimiser.load_state_dict(state["optimiser"])
        if kinds_of(optimiser) != before:
            raise CheckpointError(
                f"the saved state has other settings of the optimiser than {algorithm}; {REMEDY}"
            )


def kinds_of(optimiser: Optimizer) -> list[dict[str, type]]:
    """Return the types of an optimiser's settings, by name and group."""
    return [{name: type(value) for name, value in g.items()} for g in optimiser.param_groups]


def is_like(value: object, other: Tensor) -> bool:
    """Return whether a value is a tensor of plain numbers in the shape of another."""
    return (
        isinstance(value, Tensor)
        and value.layout == other.layout
        and value.is_floating_point()
        and value.shape == other.shape
    )
