"""What it costs to record an episode, and to take it into the database afterwards.

    python -m benchmarks.recording             # a minute
    python -m benchmarks.recording --quick
    python -m benchmarks.recording --pace 300  # beside an episode that takes 300 µs

Events of one run are joined in a buffer, and its lines appended to a journal as JSON, as in a run;
then the journals of some runs are ingested. Shares are of an episode at full speed, by default one
of 30 stacked and compiled runs of MAML on sine (benchmarks.stacks). One process, CPU time of all
its threads; medians over rounds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Cost, median_cpu, median_wall, timed
from benchmarks.shown import options, show, tell_machine
from mlbench.run.events import Episodes
from mlbench.session.record import EpisodeBuffer
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record
from tests.fake_runs import FakeRun

BLOCKS = (1, 10, 100)
"""Episodes that a run tells of at once."""
LINE = 300
"""Episodes of a line: what a stacked run meets between two flushes."""
MICRO = 1e6


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--episodes", type=int, help="of each measurement  [default: 30 000]")
    parser.add_argument("--runs", type=int, help="to ingest  [default: 20]")
    parser.add_argument(
        "--pace", type=float, default=190.0, help="µs of an episode  [default: 190]"
    )
    asked = parser.parse_args()
    episodes = asked.episodes or (3_000 if asked.quick else 30_000)
    runs = asked.runs or (2 if asked.quick else 20)
    rounds = asked.rounds or (3 if asked.quick else 9)
    tell_machine()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for block in BLOCKS for row in recording(Path(folder), block, episodes, rounds)]
        rows.append(taking_in(Path(folder), runs, episodes, rounds))
    show([row | {"% of an episode": 100 * row["CPU µs"] / asked.pace} for row in rows], asked.form)


def recording(folder: Path, block: int, episodes: int, rounds: int) -> list[dict[str, Any]]:
    """Return a row for either step from an event to the journal, and one for both."""
    events = made(block, episodes)
    paths = StorePaths(folder / "recorded.duckdb")
    costs: dict[str, list[Cost]] = {"buffered": [], "appended": [], "both": []}
    for attempt in range(1, 1 + rounds):
        records: list[Record] = []
        first = timed(lambda: records.extend(buffered(events)))  # noqa: B023
        with Journal.open(paths, f"in-{block}", attempt) as journal:
            then = timed(lambda: append(journal, records))  # noqa: B023
        costs["buffered"].append(first)
        costs["appended"].append(then)
        costs["both"].append(Cost(first.cpu + then.cpu, first.wall + then.wall))
    return [row(what, block, own, episodes) for what, own in costs.items()]


def made(block: int, episodes: int) -> list[Episodes]:
    """Return what a run of sine tells: losses of single precision, keys of 64 bits."""
    random = np.random.default_rng(0)
    found = []
    for first in range(0, episodes, block):
        losses = random.random(block, dtype=np.float32).astype(float).tolist()
        keys = random.integers(0, 2**64, block, dtype=np.uint64).tolist()
        steps = list(range(first, first + block))
        found.append(
            Episodes("train", "sine", first, steps, losses, list(losses), 61e-6 * block, keys)
        )
    return found


def buffered(events: list[Episodes]) -> list[Record]:
    """Return the records of a run's events, lines of some hundred episodes each."""
    buffer = EpisodeBuffer()
    records = []
    for event in events:
        records += buffer.add(event, event.first)
        if len(buffer) >= LINE:
            records += buffer.take()
    return [*records, *buffer.take()]


def append(journal: Journal, records: list[Record]) -> None:
    """Append records one by one."""
    for record in records:
        journal.append([record])


def taking_in(folder: Path, runs: int, episodes: int, rounds: int) -> dict[str, Any]:
    """Return a row for ingesting the journals of some runs into an empty database."""
    costs = []
    for number in range(rounds):
        paths = StorePaths(folder / f"ingested-{number}.duckdb")
        for run_id in range(runs):
            fake = FakeRun(f"r{run_id}")
            with Journal.open(paths, fake.run_id, 1) as journal:
                journal.append([fake.started(seed=run_id), *buffered(made(LINE, episodes))])
                journal.append([fake.status()])
        costs.append(timed(lambda: ingest(paths)))  # noqa: B023
        paths.database.unlink()
    return row("ingested", LINE, costs, runs * episodes)


def row(what: str, block: int, costs: list[Cost], episodes: int) -> dict[str, Any]:
    """Return a row of the table."""
    cpu, wall = median_cpu(costs) / episodes, median_wall(costs) / episodes
    return {
        "an episode is": what,
        "in blocks of": block,
        "CPU µs": MICRO * cpu,
        "µs": MICRO * wall,
        "episodes/s": 1 / wall,
    }


if __name__ == "__main__":
    main()
