"""How the programs here are asked and answer: options, the machine's name, one table on stdout."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import sleep
from typing import Any

from mlbench.cli.output import print_rows
from mlbench.cli.progress import tell
from mlbench.run.device import usable_cores
from mlbench.run.machine import cpu_name, memory_bytes

LIBRARIES = ("torch", "higher", "torchopt", "learn2learn")
BUSY = 0.5  # other processes at work on average; more of them disturb what is measured
RUNNING = Path("/proc/loadavg")  # of Linux
LOOKS = 20


def options(description: str | None) -> argparse.ArgumentParser:
    """Return what every program here can be asked."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    made.add_argument("--rounds", type=int, help="turns that every contestant takes")
    forms = made.add_mutually_exclusive_group()
    forms.add_argument("--json", dest="form", action="store_const", const="json", default="text")
    forms.add_argument("--csv", dest="form", action="store_const", const="csv")
    return made


def tell_machine() -> None:
    """Narrate what is measured on, and whether others are using it."""
    tell(machine())
    if (others := at_work()) > BUSY:
        tell(f"{others:.1f} others are at work here: do not keep these figures")


def at_work() -> float:
    """Return how many other processes are at work, looking for a second; 0 if nobody can tell.

    The load that systems tell of is an average over a minute, and counts the benchmark before.
    """
    found = []
    for _ in range(LOOKS if RUNNING.exists() else 0):
        running, _, _ = RUNNING.read_text(encoding="ascii").split()[3].partition("/")
        found.append(int(running) - 1)
        sleep(1 / LOOKS)
    return sum(found) / max(1, len(found))


def machine() -> str:
    """Return processor, cores and memory of this machine, and the libraries' versions."""
    memory = memory_bytes()
    parts = [cpu_name() or "unknown processor", f"{usable_cores()} cores"]
    if memory is not None:
        parts.append(f"{memory / 2**30:.0f} GiB")
    return f"{', '.join(parts)}; {', '.join(versions())}"


def versions() -> list[str]:
    """Return the versions of those libraries that are here."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def show(rows: Sequence[Mapping[str, Any]], form: Any) -> None:
    """Print rows, numbers to three digits; every row has the columns of the first."""
    if not rows:
        return
    short = [{name: three_digits(value) for name, value in row.items()} for row in rows]
    print_rows(short, list(rows[0]), form)


def three_digits(value: Any) -> Any:
    """Return a number to three significant digits; anything else as it is."""
    if not isinstance(value, float):
        return value
    short = float(f"{value:.3g}")
    return int(short) if abs(short) >= 100 else short
