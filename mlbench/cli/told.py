"""What verbs that keep a store in order say: counts, sizes and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from mlbench.cli.output import narrate


def tell(*lines: str) -> None:
    """Tell something; names in it may hold anything."""
    for line in lines:
        narrate(" ".join(line.splitlines()))


def many(count: int, noun: str) -> str:
    """Return a number of things in words, such as ``1 run`` or ``12 000 episodes``."""
    return f"{count:,}".replace(",", " ") + f" {noun}{'s' * (count != 1)}"


def fail_if(troubles: Iterable[str]) -> None:
    """Tell what went wrong, and end with 1 if anything did."""
    troubles = list(troubles)
    tell(*troubles)
    if troubles:
        sys.exit(1)
