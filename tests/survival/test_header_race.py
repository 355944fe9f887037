"""The lock protocol, against a DuckDB that reads the header before it locks, as 2.0.0 does.

Such a DuckDB goes on from a header that another process has replaced since, and writes over what
that process committed. The installed one is made to do the reading, slowly: at every opening, a
process remembers the headers, dawdles, and only then connects. Had any process committed between
the two, rows would be lost, and it says so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlbench.store.connection import read, write
from mlbench.store.paths import StorePaths

pytestmark = pytest.mark.slow

OPEN_SLOWLY = """
import os, sys, time
from pathlib import Path
import duckdb
from mlbench.store import connection
from mlbench.store.paths import StorePaths

paths, name, locked = StorePaths(Path(sys.argv[1])), sys.argv[2], sys.argv[3] == "locked"
connect = duckdb.connect
HEADERS = 3 * 4096

def headers():
    with paths.database.open("rb") as file:
        return file.read(HEADERS)

def connect_slowly(database, *arguments, **options):
    before = headers()
    time.sleep(0.02)
    if headers() != before:
        print("stale", flush=True)
        os._exit(3)
    return connect(database, *arguments, **options)

duckdb.connect = connect_slowly
if not locked:
    connection.lock = lambda *_, **__: -1
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    with connection.write(paths, patience=60) as database:
        database.execute("INSERT INTO counted VALUES (?, ?)", [name, number])
    with connection.read(paths, patience=60) as database:
        found = database.execute("SELECT count(*) FROM counted WHERE who = ?", [name]).fetchone()
    if found != (number + 1,):
        print("lost", flush=True)
        os._exit(4)
"""


def race(paths: StorePaths, protocol: str) -> list[tuple[int, str]]:
    """Let two processes write and read in turns; return how each ended, and what it said last."""
    with write(paths) as connection:
        connection.execute("CREATE TABLE counted (who VARCHAR, number INTEGER)")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_SLOWLY, str(paths.database), name, protocol],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in "ab"
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    ends = [one.communicate(timeout=100)[0] for one in both]
    return [(one.returncode, said) for one, said in zip(both, ends, strict=True)]


def test_no_process_opens_a_database_whose_header_another_one_is_about_to_replace(
    paths: StorePaths,
) -> None:
    assert race(paths, "locked") == [(0, ""), (0, "")]
    with read(paths) as connection:
        assert connection.execute(
            "SELECT who, count(*) FROM counted GROUP BY who ORDER BY who"
        ).fetchall() == [("a", 8), ("b", 8)]


def test_without_the_lock_the_race_is_there_and_would_be_seen(paths: StorePaths) -> None:
    assert (3, "stale\n") in race(paths, "unlocked")
