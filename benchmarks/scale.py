"""A thousand journals and a hundred million rows on one machine: what grows, and what does not.

    python -m benchmarks.scale                       # an hour, 20 GB of the temporary folder
    python -m benchmarks.scale --journals 200 --rows 1e6 --folder /scratch
    python -m benchmarks.scale --quick

Journals of made-up runs come in ten waves; after each, they are ingested, and two commands are run
as somebody types them, each in a process of its own: seconds of its wall clock and of its
processors, and the most memory it had. Then the dashboard's feed looks at all journals, the
database being free and being held, and at as many that runs are adding to. Last, the tables are
exported as Parquet, and what ``mlbench table`` rests on is reckoned from those files alone.

Losses, times and keys are random, as digits of real ones are, so that nothing is packed better
than it would be.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any

import numpy as np

from benchmarks.queries import made
from benchmarks.shown import options, show, tell_machine, three_digits
from mlbench.cli.progress import tell
from mlbench.store.feed import Feed
from mlbench.store.journal import Journal
from mlbench.store.lines import to_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Episodes, Record
from tests.fake_runs import FakeRun
from tests.gallery import Made

WAVES = 10
SHARE = 0.97  # of the episodes that made-up runs are asked for, they have so many
LOOKS = 10
FLUSH = 0.5  # seconds between two lines of a run, as drive has it
LINE = 100  # episodes of such a line
INGEST = """
import sys
from pathlib import Path
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
ingest(StorePaths(Path(sys.argv[1])))
"""
HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
LAUNCH = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
SCORES = """
import sys
import duckdb
text = '''
    SELECT run_id, eval_dataset, avg(score), stddev_samp(score), median(score), count(*)
    FROM read_parquet(?) WHERE phase = 'test' GROUP BY ALL
'''
duckdb.execute(text, [sys.argv[1] + "/episodes*.parquet"]).fetchall()
"""


def main() -> None:
    """Measure and print, a row a measurement as soon as it is there."""
    parser = options(__doc__)
    parser.add_argument("--journals", type=int, help="[default: 1 000]")
    parser.add_argument("--rows", type=float, help="episodes, of all journals  [default: 1e8]")
    parser.add_argument("--folder", type=Path, help="where; removed in the end")
    asked = parser.parse_args()
    journals = asked.journals or (20 if asked.quick else 1_000)
    rows = int(asked.rows or (20_000 if asked.quick else 100_000_000))
    tell_machine()
    found = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for row in measured(Path(folder), journals, rows):
            found.append(row)
            tell(json.dumps({name: three_digits(value) for name, value in row.items()}))
    show(found, asked.form)


def measured(folder: Path, journals: int, rows: int) -> Iterator[dict[str, Any]]:
    """Yield all measurements."""
    paths = StorePaths(folder / "runs.duckdb")
    runs = made(journals, round(rows / SHARE))
    size = 0
    for wave in range(WAVES):
        ours = runs[wave * len(runs) // WAVES : (wave + 1) * len(runs) // WAVES]
        began = monotonic()
        written = [write(paths, run) for run in ours]
        size += sum(count for count, _ in written)
        length = sum(length for _, length in written)
        yield row(paths, size, "journals written", seconds=monotonic() - began, MB=length / 1e6)
        taken_in = program("-c", INGEST, str(paths.database))
        count = sum(count for count, _ in written)
        rate = count / taken_in["seconds"]
        yield row(paths, size, "ingested", **taken_in, **{"rows/s": rate})
        for words in (("table",), ("list", "runs")):
            command = ("-m", "mlbench", *words, "--db", str(paths.database))
            yield row(paths, size, f"mlbench {' '.join(words)}", **program(*command))
    whole = sum(path.stat().st_size for path in paths.journals.iterdir())
    yield row(paths, size, "all journals", MB=whole / 1e6)
    for what, values in looks(paths):
        yield row(paths, size, what, **values)
    for what, values in going_on(StorePaths(folder / "going.duckdb"), journals):
        yield row(paths, size, what, **values)
    for what, values in exported(paths, folder / "parquet"):
        yield row(paths, size, what, **values)


def row(paths: StorePaths, size: int, what: str, **values: float) -> dict[str, Any]:
    """Return a row of what is printed."""
    database = paths.database.stat().st_size / 1e6 if paths.database.exists() else None
    columns = dict.fromkeys(("seconds", "CPU s", "peak MB", "MB", "rows/s", "count"))
    return {"rows": size, "database MB": database, "what": what, **columns, **values}


def write(paths: StorePaths, run: Made) -> tuple[int, int]:
    """Write a run's journal, its digits as random as real ones; return its rows and its bytes."""
    random = np.random.default_rng(int(run.digest, 16))
    records = [realistic(record, random) for record in run.records()]
    last = FakeRun(run.run_id, position=sum(map(length, records)))
    with Journal.open(paths, run.run_id, 1) as journal:
        journal.append([*records, last.status()])
    rows = sum(len(record.episode) for record in records if isinstance(record, Episodes))
    return rows, journal.size


def realistic(record: Record, random: np.random.Generator) -> Record:
    """Return a record with losses of float32, times to a nanosecond and keys of 64 bits."""
    if not isinstance(record, Episodes):
        return record
    count = len(record.episode)
    return replace(
        record,
        loss=random.gamma(4, 0.4, count).astype(np.float32).astype(float).tolist(),
        seconds=random.normal(0.2, 0.01, count).round(9).tolist(),
        key=random.integers(0, 2**64, count, dtype=np.uint64).tolist(),
    )


def length(record: Record) -> int:
    """Return how many positions a record takes."""
    if isinstance(record, Episodes):
        return len(record.episode)
    return 0 if record.type == "started" else 1


def program(*words: str) -> dict[str, float]:
    """Return what a Python program takes from beginning to end.

    It is started by a small program: the memory of the one that starts it counts as its own.
    """
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", LAUNCH, sys.executable, *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, cpu, peak = map(float, done.stdout.split())
    return {"seconds": seconds, "CPU s": cpu, "peak MB": peak * 1024 / 1e6}


def looks(paths: StorePaths) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield how the feed looks at journals that nobody adds to."""
    feed = Feed(paths)
    yield "first look of the dashboard", {"seconds": clocked(feed.poll)}
    yield "every other look", {"seconds": median(clocked(feed.poll) for _ in range(LOOKS))}
    with held(paths):
        feed, told, journals = Feed(paths), 1, len(list(paths.journals.iterdir()))
        yield "first look, the database being held", {"seconds": clocked(feed.poll)}
        while len(feed.runs) < journals:
            feed.poll()
            told += 1
        yield "looks until all runs are there", {"count": told}


@contextmanager
def held(paths: StorePaths) -> Iterator[None]:
    """Let another process hold the database."""
    with subprocess.Popen(  # noqa: S603  our own interpreter
        [sys.executable, "-c", HOLD, str(paths.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        if other.stdout is not None:
            other.stdout.readline()
        yield
        other.communicate()


def clocked(step: Callable[[], object]) -> float:
    """Return the seconds that a step takes."""
    began = monotonic()
    step()
    return monotonic() - began


def going_on(paths: StorePaths, journals: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield how the feed follows runs, each of which adds a line every half second."""
    child = os.fork()
    if not child:
        try:
            add_lines(paths, journals)
        finally:
            os._exit(1)
    try:
        while len(list(paths.journals.glob("*"))) < journals:
            sleep(0.1)
        feed = Feed(paths)
        while len(feed.runs) < journals:
            feed.poll()
        before, began = sizes(paths), monotonic()
        seconds = []
        for _ in range(5 * LOOKS):
            seconds.append(clocked(feed.poll))
            sleep(0.25)
        spent = monotonic() - began
        rate = (sizes(paths) - before) / 1e6 / spent
        yield "look at journals that all grow", {"seconds": median(seconds)}
        yield "the longest of them", {"seconds": max(seconds), "count": len(seconds)}
        yield "looks until each was read", {"count": feed.polls - min(feed.looked.values())}
        yield "written meanwhile, in a second", {"MB": rate, "count": journals / FLUSH}
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def sizes(paths: StorePaths) -> int:
    """Return the bytes of all journals."""
    return sum(path.stat().st_size for path in paths.journals.iterdir())


def add_lines(paths: StorePaths, journals: int) -> None:
    """Be so many runs, as fast as they would be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * journals + 100), hard))
    with ExitStack() as held:
        runs = [FakeRun(f"run-{number}") for number in range(journals)]
        opened = []
        for run in runs:
            held.enter_context(RunLock(paths, run.run_id))
            opened.append(held.enter_context(Journal.open(paths, run.run_id, 1)))
            opened[-1].append([run.started(train_tasks=10**7, validate_every=10**6)])
        text = to_line(runs[0].episodes(0, LINE))
        while True:
            began = monotonic()
            for journal in opened:
                os.write(journal.descriptor, text)
            sleep(max(0.0, FLUSH - (monotonic() - began)))


def exported(paths: StorePaths, folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what Parquet files take, and what it takes to reckon with them."""
    words = ("export", "--parquet", str(folder), "--db", str(paths.database))
    values = program("-m", "mlbench", *words)
    size = sum(path.stat().st_size for path in folder.iterdir())
    yield "mlbench export --parquet", {**values, "MB": size / 1e6}
    yield "scores of all runs, from Parquet", program("-c", SCORES, str(folder))


if __name__ == "__main__":
    main()
