"""The deviations of every file, printed."""

from __future__ import annotations

import sys
from pathlib import Path

from mlbench.engines import ENGINES
from tests.reference.comparison import TOLERANCE, deviations
from tests.reference.techniques import NoTechniqueError
from tests.reference.vectors import Reference


def main(paths: list[str]) -> int:
    """Print every deviation of every file; return 1 if one is too large."""
    if not paths:
        sys.stderr.write("usage: python -m tests.reference FILE.npz ...\n")
        return 2
    failed = unread = 0
    for path in paths:
        try:
            failed += report(Path(path))
        except (NoTechniqueError, OSError, ValueError, KeyError) as error:
            unread += 1
            sys.stdout.write(f"{Path(path).name} cannot be compared: {error}\n")
    sys.stdout.write(f"{failed} above tolerance ({TOLERANCE:g} relative), {unread} not compared\n")
    return 1 if failed or unread else 0


def report(path: Path) -> int:
    """Print the deviations of one file, engine by engine; return how many are too large."""
    reference = Reference.read(path)
    failed = 0
    for name in ("loop", "stacked"):
        sys.stdout.write(f"{path.name}, engine {name}\n")
        for found in deviations(reference, ENGINES[name]()):
            failed += not found.passed
            verdict = "" if found.passed else "  ABOVE TOLERANCE"
            ill = f"  {found.ill_conditioned} ill-conditioned: {found.absolute:.1e} absolute"
            sys.stdout.write(
                f"  {found.group:32} {found.relative:.1e}"
                f"{ill if found.ill_conditioned else ''}{verdict}\n"
            )
    return failed
