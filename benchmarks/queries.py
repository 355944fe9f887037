"""How the database grows with its episodes, and what that means for those who ask it.

    python -m benchmarks.queries                            # five minutes, and 2 GB of /tmp
    python -m benchmarks.queries --quick
    python -m benchmarks.queries --episodes 1e5 1e6 --json  # a line a measurement

For each number of episodes the journals of made-up runs are ingested into an empty database; then
``mlbench table`` and ``mlbench list runs`` are run as somebody types them, from the start of the
process to its end, and what the dashboard and figures ask is asked in this process. Medians over
rounds, in CPU-seconds of all threads and by the clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measure import Cost, median_cpu, median_wall, timed
from benchmarks.shown import options, show, tell_machine, three_digits
from mlbench.cli.progress import tell
from mlbench.report.material import Material
from mlbench.report.tables.shape import tables
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from tests.gallery import Made, images

EPISODES = (100_000, 1_000_000, 10_000_000)
RUNS = 1_000
VALIDATIONS = 25
"""Of each run, with the one before training."""
INGESTED = "ingested"
COMMANDS = (("table",), ("table", "--statistic", "two-level"), ("list", "runs"))


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument(
        "--episodes", type=float, nargs="+", help="in the database  [default: 1e5 1e6 1e7]"
    )
    parser.add_argument("--runs", type=int, help="that they are of  [default: 1 000]")
    asked = parser.parse_args()
    sizes = asked.episodes or ((2_000, 10_000) if asked.quick else EPISODES)
    runs = asked.runs or (20 if asked.quick else RUNS)
    rounds = asked.rounds or (1 if asked.quick else 5)
    tell_machine()
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for row in measured(StorePaths(Path(folder) / "runs.duckdb"), runs, int(size), rounds):
                rows.append(row)
                if asked.form == "json":
                    print(
                        json.dumps({name: three_digits(v) for name, v in row.items()}), flush=True
                    )
    if asked.form != "json":
        show(rows, asked.form)


def measured(paths: StorePaths, runs: int, episodes: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for ingesting, and one for each question."""
    for run in made(runs, episodes):
        run.write(paths)
    reports = []
    cost = timed(lambda: reports.append(ingest(paths)))
    count = reports[0].episodes
    tell(f"{count:,} episodes of {runs:,} runs ingested")
    megabytes = paths.database.stat().st_size / 1e6

    def row(what: str, costs: list[Cost]) -> dict[str, Any]:
        return {
            "runs": runs,
            "episodes": count,
            "MB": megabytes,
            "what": what,
            "CPU s": median_cpu(costs),
            "s": median_wall(costs),
            "episodes/s": count / median_wall(costs) if what == INGESTED else None,
        }

    yield row(INGESTED, [cost])
    for words in COMMANDS:
        yield row(f"mlbench {' '.join(words)}", [typed(paths, words) for _ in range(rounds)])
    for what, ask in questions(paths).items():
        yield row(what, [timed(ask) for _ in range(rounds)])


def made(runs: int, episodes: int) -> list[Made]:
    """Return runs of nine techniques on two data sets and shots, with so many episodes in all."""
    each = max(100, episodes // runs)
    return images(
        -(-runs // 36),  # seeds: nine techniques, two data sets, 1 and 5 shots
        budget="paper",
        train_tasks=6 * each // 10,
        validation_tasks=max(1, each // 100),
        validate_every=6 * each // 10 // (VALIDATIONS - 1),
        test_tasks=6 * each // 100,
    )[:runs]


def typed(paths: StorePaths, words: tuple[str, ...]) -> Cost:
    """Return what a command takes, from the start of its process to its end."""
    command = [sys.executable, "-m", "mlbench", *words, "--db", str(paths.database)]
    began = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    wall = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def questions(paths: StorePaths) -> dict[str, Callable[[], object]]:
    """Return what is asked in this process, by name."""
    one = Material(paths).runs["run_id"][0]
    return {
        "tables, in a process that runs": lambda: tables(Material(paths)),
        "learning curve of one run": lambda: Material(paths, where=f"run_id = '{one}'").curves,
        "learning curves of all runs": lambda: Material(paths).curves,
        "running times": lambda: Material(paths).time_summary,
        "first look of the dashboard": lambda: Feed(paths).poll(),
    }


if __name__ == "__main__":
    main()
