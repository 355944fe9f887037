"""What a store holds, stores that hold everything, and how to die in the middle of a change."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlbench.store.connection import read
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record, Started
from tests.fake_runs import FakeRun

FILES = ("journals", "schema_version")
"""Tables that say how far files were read, and when: they differ where all else is the same."""
MEANS = ("learning_curves", "test_scores", "results", "running_times")
"""What sums up episodes, to the last digit or two in the order in which they lie."""


def contents(paths: StorePaths, but: Collection[str] = FILES) -> dict[str, list[str]]:
    """Return the rows of every table and view, in a fixed order; NaN equals itself as text."""
    names = "SELECT table_name FROM information_schema.tables ORDER BY table_name"
    with read(paths) as connection:
        return {
            name: sorted(
                repr(tuple(map(rounded, row)) if name in MEANS else row)
                for row in connection.execute(f"FROM {name}").fetchall()
            )
            for (name,) in connection.execute(names).fetchall()
            if name not in but
        }


def rounded(value: Any) -> Any:
    return f"{value:.12g}" if isinstance(value, float) else value


def ask(paths: StorePaths, text: str) -> list[Any]:
    with read(paths) as connection:
        return connection.execute(text).fetchall()


def began(record: Started, at: str = "2026-11-23T05:00:00+00:00", **origin: Any) -> Started:
    """Return a first record of another time and machine."""
    return replace(record, at=at, provenance={**record.provenance, **origin})  # type: ignore[typeddict-item]


def fill(paths: StorePaths) -> StorePaths:
    """Fill a store with runs that ended in every way, and take them in."""
    whole = FakeRun("whole")
    whole.write(
        paths,
        whole.whole(spec_hash="0", incomplete={"mini": "60 of 600; more: much", "cub": "all"}),
    )
    killed = FakeRun("killed")
    lines: list[Record] = [
        killed.started(spec_hash="1", seed=1),
        killed.validated(0),
        killed.episodes(0, 30),
    ]
    killed.write(paths, [*lines, killed.status("interrupted")])
    again = killed.resumed(21)
    again.write(
        paths, [began(again.started(spec_hash="1", seed=1), host="cumulus"), again.episodes(20, 25)]
    )
    third = again.resumed(24)
    third.write(
        paths,
        [
            began(
                third.started(spec_hash="1", seed=1),
                gpu="H100",
                tf32=True,
                deterministic=False,
                cpu=None,
            ),
            third.episodes(23, 40),
            third.validated(40, math.nan, best=False),
            third.phase("train", 1.5),
            third.episodes(0, 6, "test"),
            third.status("diverged", "at step 9"),
            third.status("failed", "no data"),
        ],
    )
    odd = FakeRun("odd")
    scores = replace(odd.episodes(0, 3, "test"), score=[math.inf, math.nan, 1e200])
    settings: dict[str, Any] = {"hyperparameters": {"β": math.inf, "a": [1, None]}, "ways": None}
    odd.write(paths, [odd.started(spec_hash="2", seed=2, **settings), scores, odd.status()])
    dead = FakeRun("dead")
    path = dead.write(paths, [dead.started(spec_hash="3", seed=3), dead.episodes(0, 7)])
    os.utime(path, ns=(10**18 + 123_456_000, 10**18 + 123_456_000))
    ingest(paths)
    return paths


class Killed(BaseException):
    """The process was killed: nothing is tidied up any more."""


class Reaper:
    """Kills at one of the calls that change what lies on the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.left = math.inf
        self.after = False
        self.dead = False
        for name in ("replace", "unlink", "link", "rename"):
            self.wrap(name, getattr(os, name))

    def wrap(self, name: str, change: Callable[..., None]) -> None:
        def counted(*arguments: Any, **more: Any) -> None:
            self.left -= 1
            self.dead |= self.left < 0 and not self.after
            if self.dead:
                raise Killed
            change(*arguments, **more)
            self.dead |= self.left < 0
            if self.dead:
                raise Killed

        self.monkeypatch.setattr(os, name, counted)

    def survives(self, act: Callable[[], object], step: int) -> bool:
        """Act, and be killed before or after a step; return whether there were fewer steps."""
        self.left, self.after, self.dead = step // 2, bool(step % 2), False
        try:
            act()
        except Killed:
            return False
        finally:
            self.left, self.dead = math.inf, False
        return True


def files(folder: Path) -> dict[str, bytes]:
    """Return what every file below a folder holds."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
