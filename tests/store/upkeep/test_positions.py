"""Lines that are missing from the middle of a journal, or there twice, do not go unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlbench.session.keeper import LAST_POSITION
from mlbench.store.connection import read, write
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import results
from mlbench.store.records import Record
from tests.fake_runs import FakeRun

Lines = list[bytes]


def cut_inside_a_line(lines: Lines) -> Lines:
    """Return what is left where a journal lost part of a line, and was appended to."""
    return [*lines[:2], lines[2][:40] + lines[3], *lines[4:]]


@pytest.mark.parametrize(
    ("spoil", "damage", "remedy"),
    [
        (lambda lines: lines[:2] + lines[3:], "line 3: positions 1 to 8 are missing", "again"),
        (lambda lines: lines[:1] + lines[2:], "line 2: positions 0 to 0 are missing", "again"),
        (lambda lines: lines[:7] + lines[9:], "line 8: positions 16 to 20 are missing", "again"),
        (lambda lines: lines[:3] + lines[2:], "line 4: position 1 was there before", "delete"),
        (cut_inside_a_line, "line 3: it is not JSON", "mend"),
    ],
)
@pytest.mark.parametrize("separately", [True, False])
def test_a_gap_is_told_and_what_follows_it_is_not_taken_in(
    paths: StorePaths,
    spoil: Callable[[Lines], Lines],
    damage: str,
    remedy: str,
    separately: bool,
) -> None:
    run = FakeRun()
    path = run.write(paths, run.whole())
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(spoil(whole)[:2] if separately else spoil(whole)))
    with RunLock(paths, "r1"):
        ingest(paths)
    path.write_bytes(b"".join(spoil(whole)))
    told = ingest(paths).damaged
    assert len(told) == 1
    assert f"r1.1.jsonl is damaged, {damage}; " in told[0]
    assert remedy in told[0].partition("; ")[2]
    assert results(paths).is_empty()
    assert ingest(paths).damaged == told
    path.write_bytes(b"".join(whole))
    assert ingest(paths).damaged == ()
    assert len(results(paths)) == 2


@pytest.mark.parametrize("how", ["failed", "interrupted"])
def test_an_attempt_that_failed_need_not_have_written_all_that_it_counted(
    paths: StorePaths, how: str
) -> None:
    run = FakeRun()
    kept: list[Record] = [run.started(), run.episodes(0, 4)]
    run.episodes(4, 8)  # there was no room for these
    run.write(paths, [*kept, run.status(how)])
    assert ingest(paths).damaged == ()
    with Journal.reopen(paths, "r1", 1) as journal:
        journal.append([replace(run.status("failed", "no data"), position=LAST_POSITION)])
    assert ingest(paths).damaged == ()
    with read(paths) as connection:
        assert connection.execute("SELECT status, error FROM runs").fetchall() == [
            ("failed", "no data")
        ]


def test_a_resumed_attempt_goes_on_where_it_says(paths: StorePaths) -> None:
    run = FakeRun()
    run.write(paths, [run.started(), run.episodes(0, 9)])
    again = run.resumed(4)
    again.write(paths, [again.started(), again.episodes(4, 9), again.status()])
    assert ingest(paths).damaged == ()
    third = again.resumed(2)
    third.position = 3
    third.write(paths, [third.started(), third.episodes(3, 9)])
    assert "line 2: positions 2 to 2 are missing" in ingest(paths).damaged[0]


def test_a_journal_that_an_earlier_version_took_in_goes_on_where_it_is(paths: StorePaths) -> None:
    run = FakeRun()
    with Journal.open(paths, "r1", 1) as journal, RunLock(paths, "r1"):
        journal.append([run.started(), run.episodes(0, 4)])
        ingest(paths)
        with write(paths) as connection:
            connection.execute("UPDATE journals SET position = NULL")
        for records in ([run.status("failed")], [run.episodes(4, 6)]):
            journal.append(records)
            assert ingest(paths).damaged == ()
        run.position += 1
        journal.append([run.episodes(7, 8)])
    assert "line 5: positions 6 to 6 are missing" in ingest(paths).damaged[0]


def test_two_phases_with_one_position_are_those_of_an_older_stack(paths: StorePaths) -> None:
    run = FakeRun()
    records: list[Record] = [run.started(), run.validated(0), run.episodes(0, 8)]
    train, validation = run.phase("train", 1.0), run.phase("validation", 2.0)
    records += [replace(train, position=validation.position), validation]
    records += [run.episodes(0, 4, "test"), run.phase("test", 1.0), run.status()]
    run.write(paths, records)
    assert ingest(paths).damaged == ()
    assert results(paths)["episodes"].to_list()[0] == 4
