"""More runs than the dashboard can read of at one look: each has its turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from mlbench.store.feed import Feed, skimmed
from mlbench.store.journal import Journal, JournalFile
from mlbench.store.lines import to_line
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


def skim(lines: Sequence[bytes]) -> list[bytes]:
    return [line for _, line in skimmed(enumerate(lines))]


def test_of_episodes_in_a_row_the_last_are_read_and_all_of_a_test() -> None:
    run = FakeRun()
    first = to_line(run.started())
    validation = [to_line(run.episodes(0, 5, "validation")), to_line(run.validated(0))]
    train = [to_line(run.episodes(i, i + 5)) for i in range(0, 20, 5)]
    again = [to_line(run.episodes(i, i + 5, "validation")) for i in range(0, 10, 5)]
    more = [to_line(run.validated(20)), to_line(run.episodes(20, 25))]
    test = [to_line(run.episodes(i, i + 5, "test")) for i in range(0, 10, 5)]
    whole = [first, *validation, *train, *again, *more, *test, b"garbage\n"]
    kept = [first, *validation, train[-1], again[-1], *more, *test, b"garbage\n"]
    assert skim(whole) == kept
    assert skim(whole[:5]) == [*whole[:3], whole[4]], "what is last is never left out"
    assert skim([]) == []
