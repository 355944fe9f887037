"""Runs that write at full speed, a crowd that reads, an SQL shell in the way, and random kills.

    python -m tests.survival.crowd FOLDER SECONDS [SEED [TESTS]]

Four runs record sine episodes as fast as they can; two processes take them in, again and again; a
dashboard polls; a foreign program holds the database for 3 of every 5 seconds, reading. Runs and
those who take in are killed at random. In the end the runs are finished in peace, and what they
were told is safe is looked up in the database. Prints what was found, as JSON.

All but the foreign program are forked from a process that has imported everything.
"""

from __future__ import annotations

import importlib
import json
import math
import mmap
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlbench.cli import main as mlbench
from mlbench.errors import StoreBusyError
from mlbench.session.drive import Attempts
from mlbench.store import connection
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.queries import study
from tests.survival.found import Found, look_up
from tests.survival.processes import Log, Slot

WRITERS = 4
SPARED = 0.25  # share of a run's attempts that are left alone
AT_START = 0.15  # share of kills that may come before a run writes
HOLD = """
import sys, time
import duckdb
while True:
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as connection:
            connection.execute("SELECT count(*) FROM episodes").fetchall()
            print("held", flush=True)
            time.sleep(3)
        time.sleep(2)
    except duckdb.Error:
        time.sleep(0.02)
"""
WAITS = "is finished, but its episodes wait in journals"
DOUBLED = "SELECT count(*) - count(DISTINCT (run_id, position)) FROM episodes"


class Crowd:
    """All of it.

    Args:
        folder: Empty.
        seed: Of the kills.
        tests: Test episodes of a run, most of all that it records.
    """

    def __init__(self, folder: Path, seed: int = 0, tests: int = 8_000) -> None:
        self.paths = StorePaths(folder / "runs.duckdb")
        self.folder = folder
        self.log = Log(folder / "notes")
        self.chance = random.Random(seed)
        self.tests = tests
        self.begun = 0

    def slot(self, name: str, work: Callable[[], None]) -> Slot:
        """Return a process to be."""
        return Slot(name, work, self.log, self.chance)

    def run(self, seconds: float) -> Found:
        """Let the crowd loose, then finish the runs and look."""
        sys.addaudithook(self.watch)  # stays with all that are forked
        slots: list[Slot] = [Writer(self) for _ in range(WRITERS)]
        slots += [self.slot("ingester", self.take_in), self.slot("reader", self.read)]
        dashboard = self.slot("dashboard", self.look)
        with self.foreigner() as shell:
            dashboard.start()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for slot in slots:
                    slot.tend()
                dashboard.check()
                time.sleep(0.01)
            killed = {slot.name: 0 for slot in slots}
            for slot in slots:
                killed[slot.name] += slot.killed
            for slot in (*slots, dashboard):
                slot.kill()
        held = shell.read_text().count("held")
        for seed in range(self.begun):
            self.finish(seed)
        known = Found(seconds=seconds, runs=self.begun, killed=killed, held=held)
        return look_up(self.paths, self.log.notes(), known)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a trouble when the database is opened as a file, which drops DuckDB's lock on it."""
        if event == "open" and str(arguments[0]) == str(self.paths.database):
            self.log.note("trouble", "the database was opened as a file")

    @contextmanager
    def foreigner(self) -> Iterator[Path]:
        """Let a program that is not ours hold the database now and then."""
        said = self.folder / "shell"
        with said.open("wb") as out:
            shell = subprocess.Popen(
                [sys.executable, "-c", HOLD, str(self.paths.database)], stdout=out
            )
        try:
            yield said
        finally:
            shell.kill()
            shell.wait()

    def words(self, seed: int) -> list[str]:
        """Return what starts, or goes on with, a run."""
        return [
            *("run", "maml", "--train", "sine", "--queries", "10", "--seed", str(seed)),
            *("--train-tasks", "100", "--validation-tasks", "100", "--validate-every", "20"),
            *("--test-tasks", str(self.tests), "--threads", "1", "--compile", "off"),
            *("--set", "train_steps=1", "--set", "test_steps=1"),
        ]

    def record(self, seed: int, writing: mmap.mmap) -> None:
        """Run, in a child: as typed, with every write noted and every opening told."""
        append, opened, drive = Journal.append, connection.opened, Attempts.drive
        driving = False

        def append_noted(journal: Journal, records: Any) -> None:
            began = time.monotonic()
            append(journal, records)
            writing[0] = 1
            self.log.note("safe", journal.path.name, journal.size, time.monotonic() - began)

        def opened_watched(*arguments: Any, **options: Any) -> Any:
            if driving:
                self.log.note("trouble", "a run opened the database")
            return opened(*arguments, **options)

        def drive_marked(*arguments: Any, **options: Any) -> Any:
            nonlocal driving
            driving = True
            try:
                return drive(*arguments, **options)
            finally:
                driving = False

        Journal.append = append_noted  # type: ignore[method-assign, assignment]
        connection.opened = opened_watched
        Attempts.drive = drive_marked  # type: ignore[method-assign]
        mlbench([*self.words(seed), "--db", str(self.paths.database)])

    def take_in(self) -> None:
        """Take in what waits, for ever."""
        while True:
            with suppress(StoreBusyError):
                ingest(self.paths)
            time.sleep(0.02)

    def read(self) -> None:
        """Ask what tables ask, for ever: it must never fail, nor see an episode twice."""
        while True:
            study(self.paths)
            with connection.read(self.paths) as database:
                ((doubled,),) = database.execute(DOUBLED).fetchall()
            if doubled:
                self.log.note("trouble", f"a reader saw {doubled} episodes twice")
            time.sleep(0.02)

    def look(self) -> None:
        """Do what the dashboard does: poll, and ask again whenever a run has ended."""
        feed, stamp = Feed(self.paths), -1
        while True:
            began = time.monotonic()
            snapshot = feed.poll()
            self.log.note("poll", time.monotonic() - began)
            if snapshot.stamp != stamp:
                study(self.paths)
                self.log.note("question")
                stamp = snapshot.stamp
            time.sleep(0.25)

    def finish(self, seed: int) -> None:
        """Finish a run that may have been killed, with nobody around."""
        slot = self.slot("last", lambda: self.record(seed, mmap.mmap(-1, 1)))
        slot.start()
        while slot.child:
            slot.check()
            time.sleep(0.01)


class Writer(Slot):
    """Goes on with one run until that is finished, then begins the next.

    Most kills come when it writes; a few while it still starts.
    """

    longest = 4.0

    def __init__(self, crowd: Crowd) -> None:
        super().__init__("run", self.go_on, crowd.log, crowd.chance)
        self.crowd = crowd
        self.writing = mmap.mmap(-1, 1)
        self.next()

    def next(self) -> None:
        """Begin the next run."""
        self.seed = self.crowd.begun
        self.crowd.begun += 1

    def start(self) -> None:
        """Fork."""
        self.writing[0] = 0
        terminal = self.crowd.folder / "terminal"
        self.said = len(terminal.read_text()) if terminal.exists() else 0
        spared = self.chance.random() < SPARED
        self.due = math.inf if spared else self.chance.uniform(0, self.longest)
        super().start()
        if spared or self.chance.random() > AT_START:
            self.kill_at = math.inf

    def tend(self) -> None:
        """Let it live some time from when it began to write."""
        if self.writing[0] and self.kill_at == math.inf:
            self.kill_at = time.monotonic() + self.due
        super().tend()

    def go_on(self) -> None:
        """Run."""
        self.crowd.record(self.seed, self.writing)

    def ended(self, code: int) -> None:
        """Go on to the next run.

        One that was killed between its end and taking its episodes in has nothing to do when it is
        called again but to show its result; while others hold the database it says so, and fails.
        """
        waits = WAITS in self.crowd.folder.joinpath("terminal").read_text()[self.said :]
        super().ended(0 if code == 1 and waits else code)
        self.next()


def main() -> None:
    """Let a crowd loose, and print what was found."""
    folder, seconds, *seed = sys.argv[1:]
    import_everything()
    found = Crowd(Path(folder), *map(int, seed)).run(float(seconds))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
    sys.stdout.flush()
    os._exit(0)


def import_everything() -> None:
    """Import what children need, and make no thread that a fork would leave half there."""
    for name in ("torch._dynamo", "polars", "mlbench.cli.run", "mlbench.cli.progress"):
        importlib.import_module(name)


if __name__ == "__main__":
    main()
