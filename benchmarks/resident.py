"""How much memory this process holds, and held at most: what the kernel counts as resident."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def megabytes() -> float:
    """Return the memory that this process holds; without /proc, the most it held."""
    return field("VmRSS")


def peak_megabytes() -> float:
    """Return the most that this process held since :func:`forget_peak`."""
    return field("VmHWM")


def forget_peak() -> None:
    """Count the peak from here, where the kernel can be told to."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # no such file, or a kernel that lets nobody write it
        return


def field(name: str) -> float:
    """Return a line of the kernel's status of this process, in MB (10⁶ bytes)."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024 / 1e6
