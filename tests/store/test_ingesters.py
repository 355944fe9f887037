"""Whoever takes journals in may be killed, or have company: every record is there once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from tests.store.journals import long_run
from tests.store.upkeep.stores import ask

ROOT = Path(__file__).parents[2]


DIE = """
import os, signal, sys
from pathlib import Path
from mlbench.store import ingest as ingesting, portions
from mlbench.store.paths import StorePaths

paths, where, left = StorePaths(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
store, insert = portions.Portion.store, portions.Batch.insert

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def store_or_die(portion, connection):
    global left
    left -= 1
    if left:
        return store(portion, connection)
    if where == "within":
        store(portion, connection)
    die()

def insert_and_die(batch, connection):
    insert(batch, connection)
    die()

portions.BATCH_BYTES = 2000
if where == "after":
    ingesting.damages = die
elif where == "halfway":
    portions.Batch.insert = insert_and_die
else:
    portions.Portion.store = store_or_die
ingesting.ingest(paths)
"""


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("halfway", 1),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("before", 1), ("within", 1), ("within", 3), ("after", 0))
        ),
    ],
)
def test_an_ingester_killed_at_any_point_leaves_nothing_half_done(
    paths: StorePaths, fake_run: Any, where: str, count: int
) -> None:
    for run_id in ("a", "b"):
        long_run(paths, fake_run, run_id, 100)
    command = [sys.executable, "-c", DIE, str(paths.database), where, str(count)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    ingest(paths)
    assert ask(
        paths,
        "SELECT run_id, count(*), count(DISTINCT position) FROM episodes GROUP BY ALL ORDER BY ALL",
    ) == [("a", 100, 100), ("b", 100, 100)]
    assert ask(paths, "SELECT count(*) FROM statuses") == [(2,)]


LOOP = """
import sys
from pathlib import Path
from mlbench.store import ingest as ingesting, portions
from mlbench.store.paths import StorePaths
portions.BATCH_BYTES = 20_000
print("ready", flush=True)
while True:
    ingesting.ingest(StorePaths(Path(sys.argv[1])), patience=60)
"""


@pytest.mark.slow
def test_ingesters_killed_at_random_beside_a_writing_run_take_everything_in_once(
    paths: StorePaths, fake_run: Any
) -> None:
    run = fake_run()
    episodes = 0
    with Journal.open(paths, "r1", 1) as journal, RunLock(paths, "r1"):
        journal.append([run.started()])
        for kill in range(20):
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", LOOP, str(paths.database)],
                    stdout=subprocess.PIPE,
                    cwd=ROOT,
                )
                for _ in range(2)
            ]
            for other in both:
                assert other.stdout is not None
                other.stdout.readline()
            for _ in range(40 + 37 * kill % 200):
                journal.append([run.episodes(episodes, episodes + 25)])
                episodes += 25
            for other in both:
                other.kill()
                other.communicate()
        journal.append([run.status()])
    ingest(paths)
    assert ask(paths, "SELECT count(*), count(DISTINCT position), max(episode) FROM episodes") == [
        (episodes, episodes, episodes - 1)
    ]
    assert ask(paths, "SELECT status FROM runs") == [("finished",)]


def test_two_processes_ingesting_at_once_take_everything_in_once(
    paths: StorePaths, fake_run: Any
) -> None:
    for number in range(6):
        long_run(paths, fake_run, f"r{number}", 500)
    code = LOOP.replace("while True:", "for _ in range(2):")
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(paths.database)], cwd=ROOT)
        for _ in range(2)
    ]
    assert [other.wait() for other in others] == [0, 0]
    assert ask(paths, "SELECT count(*), count(DISTINCT (run_id, position)) FROM episodes") == [
        (3000, 3000)
    ]
