"""More runs than the dashboard can read of at one look: each has its turn."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from mlbench.store.feed import Feed
from mlbench.store.journal import Journal, JournalFile
from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun


def test_runs_that_are_written_to_last_keep_nobody_else_waiting(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, follow = [0.0], Feed.follow

    def follow_slowly(feed: Feed, journal: JournalFile) -> None:
        follow(feed, journal)
        clock[0] += 1  # so that one journal is read at each look

    monkeypatch.setattr("mlbench.store.feed.monotonic", lambda: clock[0])
    monkeypatch.setattr(Feed, "follow", follow_slowly)
    feed = Feed(paths)
    with ExitStack() as opened:
        runs = [FakeRun(f"r{number}") for number in range(3)]
        journals = [opened.enter_context(Journal.open(paths, run.run_id, 1)) for run in runs]
        for run, journal in zip(runs, journals, strict=True):
            journal.append([run.started()])
        for number in range(1, 4):
            for place, (run, journal) in enumerate(zip(runs, journals, strict=True)):
                journal.append([run.episodes(number - 1, number)])
                os.utime(journal.path, (1e9 + place, 1e9 + place))  # the last is always newest
            rows = feed.poll().runs
    done = sorted(row.tasks_trained for row in rows)
    assert done == [1, 2, 3], "each was read once in as many looks as there are runs"
