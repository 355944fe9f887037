"""The journal: whole lines or nothing, whatever happens to the writer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlbench.errors import MisuseError, StoreError
from mlbench.store.journal import BLOCK, Journal, attempts_of, list_journals
from mlbench.store.lines import from_line
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.states import find_in_journals, last_status

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from mlbench.errors import StoreError
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.store.records import Validated

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal.open(StorePaths(Path(sys.argv[1])), "r1", 1)
record = Validated(position=0, step=0, tasks=0, loss=0.0, score=0.0, best=True)
journal.append([record])
try:
    journal.append([record] * 100)
except StoreError as err:
    print(err)
journal.append([record])
"""


def test_a_line_that_is_still_being_written_is_not_read(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    path = run.write(paths, run.whole())
    journal = list_journals(paths)[0]
    whole = path.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        assert len(list(journal.lines(0))) == 9
    path.write_bytes(whole)
    assert [end for end, _ in journal.lines(0)][-1] == len(whole)


def test_a_full_disk_leaves_whole_lines_and_a_usable_journal(paths: StorePaths) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(paths.database)]
    message = subprocess.check_output(command, text=True, cwd=Path(__file__).parents[2])
    assert "r1.1.jsonl takes no more" in message
    assert "free some space" in message
    lines = paths.journal("r1", 1).read_bytes().splitlines(keepends=True)
    assert len(lines) == 2
    assert all(line.endswith(b"}\n") for line in lines)


def test_a_torn_line_that_cannot_be_removed_is_removed_before_the_next_is_written(
    paths: StorePaths, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write = os.write
    run = fake_run()
    with Journal.open(paths, "r1", 1) as journal:
        journal.append([run.started()])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, text: write(file, text[:-5]))
            patch.setattr(os, "ftruncate", refuse)
            for _ in range(2):
                with pytest.raises(StoreError, match="Input/output error; free") as caught:
                    journal.append([run.validated(0)])
        assert f"'mlbench resume r1 --db {paths.database}'" in str(caught.value)
        assert not journal.path.read_bytes().endswith(b"\n")
        journal.append([run.validated(0)])
    lines = [line for _, line in list_journals(paths)[0].lines(0)]
    assert [from_line(line).type for line in lines] == ["started", "validated"]
    assert journal.size == journal.path.stat().st_size


def test_a_disk_that_takes_nothing_is_an_error_that_says_how_to_go_on(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with (
        Journal.open(paths, "r1", 1) as journal,
        pytest.raises(StoreError, match="No space left on device; free some space") as caught,
    ):
        journal.sync()
    assert str(paths.journal("r1", 1)) in str(caught.value)
    assert f"'mlbench resume r1 --db {paths.database}'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("torn", [b"", b"x", b'{"type": "episodes"' + b" " * 3 * BLOCK])
def test_a_journal_is_reopened_after_its_last_whole_line(
    paths: StorePaths, fake_run: Any, torn: bytes
) -> None:
    run = fake_run()
    path = run.write(paths, [run.started(), run.episodes(0, 4)])
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with Journal.reopen(paths, "r1", 1) as journal:
        assert journal.size == len(whole)
        assert path.read_bytes() == whole
        journal.append([run.status("failed", "the checkpoint is damaged")])
        assert journal.size == path.stat().st_size
    assert path.read_bytes().startswith(whole)
    state = last_status(paths, "r1")
    assert state is not None
    assert (state.status, state.error) == ("failed", "the checkpoint is damaged")


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file"), (b"", "no whole line"), (b"{", "no whole line")]
)
def test_a_journal_that_never_began_is_not_reopened(
    paths: StorePaths, text: bytes | None, reason: str
) -> None:
    paths.make(paths.journals)
    path = paths.journal("r1", 1)
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(StoreError, match=rf"r1\.1\.jsonl .*{reason}.*'mlbench resume r1 --db"):
        Journal.reopen(paths, "r1", 1)
    assert path.exists() == (text is not None)


def test_an_attempt_is_written_once(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    run.write(paths, [run.started()])
    with pytest.raises(StoreError, match=r"r1\.1\.jsonl cannot be made: File exists"):
        Journal.open(paths, "r1", 1)


def test_journals_are_listed_by_run_then_attempt(paths: StorePaths) -> None:
    for run_id, attempt in (("b.1", 10), ("b.1", 9), ("a", 1)):
        with Journal.open(paths, run_id, attempt) as journal:
            journal.sync()
    (paths.journals / "notes.txt").touch()
    listed = [(journal.run_id, journal.attempt) for journal in list_journals(paths)]
    assert listed == [("a", 1), ("b.1", 9), ("b.1", 10)]
    assert attempts_of(paths, "b.1") == 10
    assert attempts_of(paths, "c") == 0


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist; make it"):
        Journal.open(StorePaths(tmp_path / "typo" / "runs.duckdb"), "r1", 1)


def test_a_database_without_a_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"give it a suffix, such as .*runs\.duckdb"):
        StorePaths(tmp_path / "runs")


def test_the_journals_alone_say_how_a_run_stands(paths: StorePaths, fake_run: Any) -> None:
    run = fake_run()
    assert last_status(paths, "r1") is None
    run.write(paths, [run.started(), run.episodes(0, 3000)])
    with RunLock(paths, "r1"):
        assert getattr(last_status(paths, "r1"), "status", None) == "running"
    state = last_status(paths, "r1")
    assert state is not None
    assert (state.status, state.attempts, state.spec_hash) == ("interrupted", 1, "5bec")
    again = run.resumed(1500)
    again.write(paths, [again.started(), again.episodes(1500, 4000), again.status("failed", "x")])
    state = find_in_journals(paths, "5bec")
    assert state is not None
    assert (state.status, state.attempts, state.error) == ("failed", 2, "x")
    assert find_in_journals(paths, "other") is None
