"""Runs on waves and on images, killed a hundred times at random points: are the results the same?

    python -m benchmarks.kills                # a minute or two
    python -m benchmarks.kills --kills 500
    python -m benchmarks.kills --quick

``tests/survival/kill.py`` says how; the last column counts runs that differ in a bit of their
episodes, validations, tests or parameters from one that nobody killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.shown import options, show, tell_machine

CASES = ("sine", "images")
POINTS = ("starting", "validating", "training", "testing", "saving a checkpoint")


def main() -> None:
    """Kill, compare, and print a row a case."""
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, help="of each kind of run  [default: 50]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    tell_machine()
    kills = asked.kills or (5 if asked.quick else 50)
    rows = [row(case, killed(case, kills, asked.seed)) for case in CASES]
    show(rows, asked.form)
    sys.exit(any(each["different"] for each in rows))


def killed(case: str, kills: int, seed: int) -> dict[str, Any]:
    """Return what was found; what kills forks, and so has a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(Path(folder) / "runs.duckdb"), case, str(kills), str(seed)]
        done = subprocess.run(  # noqa: S603  our own interpreter
            [sys.executable, "-m", "tests.survival.kill", *words],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(case: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return what is printed of a case."""
    return {
        "runs on": case,
        "runs": found["runs"],
        "episodes each": found["episodes"],
        "kills": found["kills"],
        **{point: found["hits"].get(point, 0) for point in POINTS},
        "different": len(found["different"]),
    }


if __name__ == "__main__":
    main()
