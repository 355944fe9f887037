"""Contestants: what people use for second-order MAML, each as its users write it, and ours.

One file each. Every one takes the meta-step of a :class:`~benchmarks.cases.Case`: the same tasks,
the same initial weights, the same mathematics. An optimiser's step on the meta-parameters is part
of nobody's.
"""

from __future__ import annotations

import contextlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from torch import Tensor

from benchmarks.cases import Case
from mlbench.errors import MisuseError, MlbenchError


class Peer(ABC):
    """A contestant, with tasks and weights at hand."""

    @abstractmethod
    def step(self) -> None:
        """Take one meta-step: leave the meta-gradient where the library leaves it."""

    @abstractmethod
    def gradient(self) -> Tensor:
        """Return the last step's meta-gradient of θ, summed over the tasks, ``(n,)``."""


class Contestant(NamedTuple):
    """Where a contestant is, and how it is told what to be.

    Args:
        module: A file of this package, with a class ``Contestant``.
        remedy: How to get the library that it needs.
        options: What the class is given besides the case.
    """

    module: str
    remedy: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


BENCH = "pip install -e '.[bench]'"
CONTESTANTS: dict[str, Contestant] = {
    "learn2learn": Contestant("learn2learn", "docs/benchmarks.md says how it is built"),
    "higher": Contestant("higher", BENCH),
    "torchopt": Contestant("torchopt", BENCH),
    "plain loop": Contestant("loop"),
    "torch.func": Contestant("vmapped"),
    "mlbench": Contestant("ours"),
    "mlbench, loop": Contestant("ours", options={"engine": "loop"}),
    "mlbench, stacked": Contestant("ours", options={"engine": "stacked"}),
    "mlbench, traced": Contestant("ours", options={"engine": "stacked", "traced": True}),
    "mlbench, compiled": Contestant("ours", options={"engine": "stacked", "compiled": True}),
    "mlbench, adjoint": Contestant("ours", options={"engine": "adjoint"}),
    "mlbench, runs": Contestant("stacked_runs"),
    "mlbench, runs, compiled": Contestant("stacked_runs", options={"compiled": True}),
}
"""By the name that tables give them."""


SMALL_SIDE = 16  # pixels: the least that Conv4 can pool four times


class AbsentError(MlbenchError):
    """A contestant cannot take part here."""


def importing(name: str) -> partial[Peer]:
    """Return what makes a contestant, after importing all that it needs.

    Raises:
        AbsentError: Its library is not installed, or can no longer be imported.
        MisuseError: There is no such contestant.
    """
    if name not in CONTESTANTS:
        raise MisuseError(f"no contestant {name!r}; there are: {', '.join(CONTESTANTS)}")
    entry = CONTESTANTS[name]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # what old libraries say when imported
            module = import_module(f"{__name__}.{entry.module}")
    except ImportError as error:
        remedy = f"; {entry.remedy}" if entry.remedy else ""
        raise AbsentError(f"{name} cannot take part: {error}{remedy}") from error
    return partial(module.Contestant, **entry.options)


def load(name: str, case: Case) -> Callable[[Case], Peer]:
    """Return what makes a contestant, after a small step: libraries load much when first used."""
    made = importing(name)
    options = CONTESTANTS[name].options
    options = {key: value for key, value in options.items() if key not in {"traced", "compiled"}}
    side = None if case.side is None else SMALL_SIDE
    small = replace(
        case, side=side, ways=2, shots=1, queries=1, steps=1, tasks=1, runs=1, channels=4
    )
    peer: Peer = made.func(small, **options)
    peer.step()
    return made


def enter(name: str, case: Case) -> Peer:
    """Return a contestant, ready to step.

    Raises:
        AbsentError: Its library is not installed, or can no longer be imported.
        MlbenchError: It cannot take this case.
    """
    return importing(name)(case)


def entered(names: Iterable[str], case: Case, tell: Callable[[str], None]) -> dict[str, Peer]:
    """Return those contestants that can take part; ``tell`` is told why another cannot."""
    found = {}
    for name in names:
        try:
            found[name] = enter(name, case)
        except MlbenchError as error:
            tell(f"left out: {error}")
    return found
