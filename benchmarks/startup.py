"""How long ``mlbench run`` takes from its start to drawing the first task.

    python -m benchmarks.startup
    python -m benchmarks.startup --quick
    python -m benchmarks.startup --train mini --algorithm turtle

Every start has a process of its own, which ends when the data set is asked for its first episodes:
Python, torch and the rest have then been imported, the technique made and the journal begun. What
``import torch`` takes alone, and ``mlbench --help``, stands beside it. Medians over rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import time
from typing import Any

from benchmarks.measure import Cost, median_cpu, median_wall
from benchmarks.shown import options, show, tell_machine

TELL = """
import json, os, sys, time
def end(*_, **__):
    spent = [time.process_time(), time.time() - float(os.environ["BEGAN"]), len(sys.modules)]
    print(json.dumps(spent), flush=True)
    os._exit(0)
"""
TORCH = f"{TELL}import torch\nend()"
HELP = f"""{TELL}
import atexit
from mlbench.cli import main
sys.argv = ["mlbench", "--help"]
atexit.register(end)
main()"""
FIRST_DRAW = f"""{TELL}
from mlbench.cli import main
from mlbench.registry import load_dataset
load_dataset(sys.argv[sys.argv.index("--train") + 1]).draw = end
sys.argv[0] = "mlbench"
main()"""


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--algorithm", default="maml", help="technique  [default: maml]")
    parser.add_argument("--train", default="sine", help="data set  [default: sine]")
    asked = parser.parse_args()
    rounds = asked.rounds or (1 if asked.quick else 7)
    tell_machine()
    run = ["run", asked.algorithm, "--train", asked.train, "--budget", "smoke"]
    starts = {
        "import torch": (TORCH, []),
        "mlbench --help": (HELP, []),
        f"mlbench {' '.join(run)}, to the first draw": (FIRST_DRAW, run),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in starts}
    modules = {}
    for _ in range(rounds):
        for name, (code, arguments) in starts.items():
            cost, modules[name] = started(code, arguments)
            costs[name].append(cost)
    rows: list[dict[str, Any]] = [
        {
            "start of": name,
            "CPU s": median_cpu(own),
            "s": median_wall(own),
            "modules": modules[name],
        }
        for name, own in costs.items()
    ]
    show(rows, asked.form)


def started(code: str, arguments: list[str]) -> tuple[Cost, int]:
    """Return what a start took, and how many modules it loaded."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments:
            arguments = [*arguments, "--db", str(Path(folder) / "runs.duckdb")]
        done = subprocess.run(  # noqa: S603  our own interpreter
            [sys.executable, "-c", code, *arguments],
            env=os.environ | {"BEGAN": repr(time())},
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr.decode()}")
    cpu, wall, modules = json.loads(done.stdout.splitlines()[-1])
    return Cost(cpu, wall), modules


if __name__ == "__main__":
    main()
