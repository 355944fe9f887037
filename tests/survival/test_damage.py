"""Journals, checkpoints and folders that are damaged, cut or closed, as people meet them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlbench.session import drive
from mlbench.store.feed import Feed
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun
from tests.survival.typed import SINE, SINE_EPISODES, recorded, run_ids, typed

pytestmark = pytest.mark.slow

SLOW = partial(pytest.param, marks=pytest.mark.slow)


def cut(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-100])


def with_garbage_at_its_end(journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(bytes(range(1, 200)) + b"\n")


def with_garbage_within(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], b"\0" * 4096 + b"\n", *lines[4:]]))


def emptied(journal: Path) -> None:
    journal.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "readable", "told"),
    [
        (cut, True, False),  # as a run leaves it that was killed while it wrote
        (with_garbage_at_its_end, True, True),
        (with_garbage_within, True, True),
        (emptied, False, False),
    ],
)
def test_a_damaged_journal_is_told_by_every_reader_and_hides_nobody_else(
    paths: StorePaths, spoil: Callable[[Path], None], readable: bool, told: bool
) -> None:
    bad, good = FakeRun("bad"), FakeRun("good")
    journal = bad.write(paths, bad.whole())
    good.write(paths, good.whole(seed=1))
    whole = journal.read_bytes()
    spoil(journal)
    feed = Feed(paths)
    snapshot = feed.poll()
    assert {run.run_id for run in snapshot.runs} == {"good"} | ({"bad"} if readable else set())
    said = typed(paths, "table")
    assert said.code == 0
    assert (f"{journal} is damaged, line " in said.err) == told
    assert ("mend or delete that line" in said.err) == told
    assert len(recorded(paths, "good")) == 16
    journal.write_bytes(whole)
    assert typed(paths, "table").code == 0
    assert len(recorded(paths, "bad")) == 16


def test_a_damaged_last_line_that_was_deleted_is_no_longer_told(paths: StorePaths) -> None:
    run = FakeRun()
    journal = run.write(paths, run.whole())
    whole = journal.read_bytes()
    with_garbage_at_its_end(journal)
    assert "is damaged, line 11" in typed(paths, "table").err
    journal.write_bytes(whole)
    assert typed(paths, "table").err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("list", "runs"),
        ("sql", "SELECT count(*) AS n FROM runs"),
    ],
)
def test_lists_and_queries_tell_of_a_damaged_journal_too(
    paths: StorePaths, words: tuple[str, ...]
) -> None:
    run = FakeRun()
    with_garbage_at_its_end(run.write(paths, run.whole()))
    said = typed(paths, *words)
    assert said.code == 0
    assert "is damaged, line " in said.err


def stop_after(beats: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next run be stopped by a signal after some beats."""
    see = drive.Unheard.see
    left = beats

    def see_and_stop(observer: drive.Unheard, *arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        see(observer, *arguments)

    monkeypatch.setattr(drive.Unheard, "see", see_and_stop)


@pytest.mark.parametrize("left", [SLOW(0), 10, SLOW(-1)])
def test_a_damaged_checkpoint_is_told_by_run_and_resume_and_costs_nothing_recorded(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    whole = StorePaths(paths.database.with_name("whole.duckdb"))
    assert typed(whole, *SINE).code == 0
    with monkeypatch.context() as patch:
        stop_after(25, patch)
        assert typed(paths, *SINE).code == 128 + signal.SIGTERM
    (run_id,) = run_ids(paths)
    before = recorded(paths, run_id)
    assert 0 < len(before) < SINE_EPISODES
    checkpoint = paths.checkpoint(run_id)
    checkpoint.with_suffix(".new").write_bytes(b"half")  # what a kill leaves beside it
    checkpoint.write_bytes(checkpoint.read_bytes()[:left])
    for words in (SINE, ("resume", run_id)):
        told = typed(paths, *words)
        assert f"{checkpoint} is damaged" in told.error
        assert "delete it to begin that run again" in told.error
        assert recorded(paths, run_id) == before
    assert "failed" in typed(paths, "list", "runs").out
    checkpoint.unlink()
    assert typed(paths, "resume", run_id).code == 0
    assert recorded(paths, run_id) == recorded(whole, run_id)
    assert len(list_journals(paths)) == 2


@contextmanager
def closed(folder: Path) -> Any:
    """Let a folder be closed to writing, and be somebody whom that binds."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def test_in_a_folder_that_may_not_be_written_one_reads_and_a_run_is_refused(
    paths: StorePaths,
) -> None:
    assert typed(paths, *SINE).code == 0  # imports what another user may not read
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to everybody else
    store = StorePaths(folder / "runs.duckdb")
    try:
        run = FakeRun()
        run.write(store, run.whole())
        assert typed(store, "table").code == 0
        waiting = FakeRun("r2")
        waiting.write(store, waiting.whole(seed=1))
        with closed(folder):
            told = typed(store, *SINE)
            assert "Permission denied" in told.error
            said = typed(store, "table")
            assert said.code == 0, said.err
            assert "may lack what was recorded last" in said.err
            assert "cannot be written: Permission denied; get the right" in said.err
            assert {row.run_id for row in Feed(store).poll().runs} == {"r1", "r2"}
        assert typed(store, "table").err == ""
        assert len(recorded(store, "r2")) == 16
    finally:
        shutil.rmtree(folder)
