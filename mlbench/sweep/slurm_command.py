"""Ask Slurm's commands: no shell, no waiting for ever, and what they refuse in one line."""

from __future__ import annotations

import re
import subprocess

from mlbench.errors import MlbenchError

PATIENCE = 30.0  # seconds; a controller that answers later is as good as none


class SlurmError(MlbenchError):
    """Slurm is not here, does not answer, or refuses."""


def ask(*command: str, patience: float = PATIENCE) -> str:
    """Return what a command of Slurm prints.

    Raises:
        SlurmError: It is not there, does not answer, or fails.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=patience, check=False
        )
    except FileNotFoundError:
        raise SlurmError(
            f"there is no {command[0]} here; do this on a machine that Slurm's commands are"
            " installed on"
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(
            f"{command[0]} has not answered within {patience:.0f} s; ask 'sinfo' whether Slurm is"
            " up, then do this again"
        ) from None
    if done.returncode:
        raise SlurmError(f"{command[0]} fails: {gist(done.stderr)}; ask 'sinfo' how Slurm is")
    return done.stdout


def gist(text: str) -> str:
    """Return what Slurm complained of, in one line, without the names of its commands."""
    lines = [re.sub(r"^\w+: (?:error: )?", "", line.strip()) for line in text.splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines))) or "it does not say why"


def max_array() -> int:
    """Return how many jobs one array may have."""
    try:
        match = re.search(r"MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config"))
    except SlurmError:
        match = None
    return max(1, int(match[1]) - 1) if match else 1000
