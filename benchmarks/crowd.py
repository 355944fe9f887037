"""What a crowd around four runs that write at full speed does to them, and to their episodes.

    python -m benchmarks.crowd                    # a minute and a half
    python -m benchmarks.crowd --seconds 600
    python -m benchmarks.crowd --quick

``tests/survival/crowd.py`` says who is in it: runs, two processes that take their episodes in, a
dashboard, a foreign program that holds the database for 3 of every 5 seconds, and random kills.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.shown import options, show, tell_machine


def main() -> None:
    """Let a crowd loose and print what was found, a row a figure."""
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, help="that it is there  [default: 60]")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    asked = parser.parse_args()
    tell_machine()
    seconds, tests = (3, 1_000) if asked.quick else (60, 8_000)
    found = crowd(asked.seconds or seconds, asked.seed, tests)
    killed = {f"{name}s killed": count for name, count in found.pop("killed").items()}
    troubles = found.pop("troubles")
    figures = {**found, **killed, "troubles": len(troubles)}
    show(
        [{"what": name.replace("_", " "), "figure": figures[name]} for name in figures], asked.form
    )
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    if troubles or found["lost"] or found["doubled"] or found["different"]:
        sys.exit(1)


def crowd(seconds: float, seed: int, tests: int) -> dict[str, Any]:
    """Return what was found; the crowd forks, and so has a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [folder, str(seconds), str(seed), str(tests)]
        done = subprocess.run(  # noqa: S603  our own interpreter
            [sys.executable, "-m", "tests.survival.crowd", *words],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
