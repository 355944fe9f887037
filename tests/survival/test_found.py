"""What looks a crowd's episodes up would notice if one were lost, doubled or another."""

from __future__ import annotations

import pytest

from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun
from tests.survival.found import Found, look_up

DOUBLE = "INSERT INTO episodes SELECT * FROM episodes WHERE position = 3"
NUMBERS = ("acknowledged", "lost", "doubled", "different")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        ("SELECT 1", (16, 0, 0, 0)),
        ("DELETE FROM episodes WHERE position IN (3, 4)", (16, 2, 0, 0)),
        (DOUBLE, (16, 0, 1, 0)),
        ("UPDATE episodes SET loss = nextafter(loss, 9) WHERE position = 3", (16, 0, 0, 1)),
        ("UPDATE episodes SET position = 99 WHERE position = 3", (16, 1, 0, 1)),
    ],
)
def test_every_episode_that_is_not_there_once_as_it_was_is_counted(
    paths: StorePaths, spoil: str, expected: tuple[int, ...]
) -> None:
    run = FakeRun()
    journal = run.write(paths, run.whole())
    ingest(paths)
    with write(paths) as connection:
        connection.execute(spoil)
    notes = [["safe", journal.name, journal.stat().st_size, 0.01], ["poll", 0.2]]
    found = look_up(paths, notes, Found(seconds=1, runs=1))
    assert tuple(getattr(found, name) for name in NUMBERS) == expected
    assert (found.polls, found.slowest_append, found.troubles) == (1, 0.01, [])


def test_a_journal_that_lost_what_was_written_is_told(paths: StorePaths) -> None:
    run = FakeRun()
    journal = run.write(paths, run.whole())
    notes = [["safe", journal.name, journal.stat().st_size + 1, 0.01]]
    with pytest.raises(AssertionError, match=r"r1\.1\.jsonl lacks some of the \d+ bytes"):
        look_up(paths, notes, Found(seconds=1, runs=1))


def test_runs_that_are_not_finished_and_what_went_wrong_are_troubles(paths: StorePaths) -> None:
    run = FakeRun()
    run.write(paths, [run.started()])
    found = look_up(paths, [["trouble", "a reader failed"]], Found(seconds=1, runs=1))
    assert found.troubles == ["a reader failed", "of 1 runs, not all finished: [('interrupted',)]"]
