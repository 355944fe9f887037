"""How a sweep stands, and what is to be told of it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Args:
        label: What it is, with its seed.
        reason: In a line.
        retry: The command line that tries it again by itself; ``None`` if it cannot be prepared.
        run_id: ``None`` if it never began.
        log: Where its process wrote what it had to say; ``None`` if there was no process.
    """

    label: str
    reason: str
    retry: str | None
    run_id: str | None = None
    log: Path | None = None


@dataclass
class Tally:
    """How a sweep stands.

    Args:
        done: Runs that have their results, those included that had them before.
        failures: What failed.
        stopped: Runs that somebody stopped, one by one.
    """

    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    stopped: int = 0
