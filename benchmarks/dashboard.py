"""How the dashboard and the tables bear 1 000 runs and 10 million episodes.

``python -m benchmarks.dashboard [FOLDER]`` makes the store in FOLDER, or uses the one that is
there, and prints the seconds that each step takes: the median of some repetitions, the longest
in brackets. Without FOLDER the store is made in a temporary one (a minute, 1.5 GB).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from mlbench.report.material import Material
from mlbench.report.tables.shape import tables
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.tui.app import Dashboard
from tests.gallery import images

RUNS = 1_000
HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def say(what: str, seconds: list[float]) -> None:
    """Print a line of the result."""
    print(f"{what:<58} {statistics.median(seconds):7.3f} s  ({max(seconds):.3f})", flush=True)


def timed(what: str, step: Callable[[], object], *, times: int = 5) -> None:
    """Time a step."""
    seconds = []
    for _ in range(times):
        began = perf_counter()
        step()
        seconds.append(perf_counter() - began)
    say(what, seconds)


def store(folder: Path) -> StorePaths:
    """Return the store in a folder, made if there is none."""
    paths = StorePaths(folder / "runs.duckdb")
    if paths.database.exists():
        return paths
    runs = images(
        28,
        budget="paper",
        train_tasks=6_000,
        validation_tasks=100,
        validate_every=240,
        test_tasks=600,
    )
    for run in runs[:RUNS]:
        run.write(paths)
    began = perf_counter()
    report = ingest(paths)
    seconds = perf_counter() - began
    print(f"{report.episodes} episodes of {RUNS} runs taken in: {report.episodes / seconds:.0f}/s")
    return paths


def measure_feed(paths: StorePaths) -> None:
    """Time looks at the store, with the database free and with it held by another process."""
    timed("first look", lambda: Feed(paths).poll())
    feed = Feed(paths)
    feed.poll()
    timed("every other look", feed.poll, times=20)
    with subprocess.Popen(  # noqa: S603  our own interpreter
        [sys.executable, "-c", HOLD, str(paths.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None  # noqa: S101  for the type checker
        other.stdout.readline()
        feed = Feed(paths)
        timed("look at journals alone, the database being held", feed.poll, times=20)
        other.communicate()


def measure_questions(paths: StorePaths) -> None:
    """Time what tables ask and reckon."""
    timed("results of all runs", lambda: Material(paths).results)
    timed("mlbench table: questions, statistics and shape", lambda: tables(Material(paths)))


async def measure_screens(paths: StorePaths) -> None:
    """Time how long a new snapshot takes to be on the screen, and a key to be answered."""
    app = Dashboard(paths)
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.snapshot.runs:
            await pilot.pause(0.05)
        await pilot.pause()
        runs = app.snapshot.runs
        changed = [
            replace(
                app.snapshot,
                runs=(replace(runs[0], done=i / 100, validation=i / 100), *runs[1:]),
            )
            for i in range(20)
        ]

        async def refreshed(i: int) -> None:
            app.snapshot = changed[i]
            await pilot.pause()

        async def answered(i: int) -> None:
            await pilot.press("down" if i % 2 else "pagedown")

        async def went(i: int) -> None:
            await pilot.press(str(1 + i % 4))
            await pilot.pause()

        late: list[float] = []
        beating = asyncio.create_task(beat(late))
        for what, step in (
            ("a changed run is on the screen", refreshed),
            ("a cursor key has taken effect", answered),
            ("another screen is there, the first time with its numbers", went),
        ):
            say(what, await repeated(step))
        beating.cancel()
        say("meanwhile, a key waits to be looked at", late)


async def beat(late: list[float]) -> None:
    """Note again and again by how much the event loop, which looks at keys, is late."""
    while True:
        began = perf_counter()
        await asyncio.sleep(0.01)
        late.append(perf_counter() - began - 0.01)


async def repeated(step: Callable[[int], Awaitable[None]]) -> list[float]:
    """Return the seconds of each of twenty repetitions."""
    seconds = []
    for i in range(20):
        began = perf_counter()
        await step(i)
        seconds.append(perf_counter() - began)
    return seconds


def main() -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        paths = store(folder)
        measure_feed(paths)
        measure_questions(paths)
        asyncio.run(measure_screens(paths))


if __name__ == "__main__":
    main()
