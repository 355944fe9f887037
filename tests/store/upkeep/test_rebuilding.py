"""Rebuilding: what is there afterwards is what the journals say, and nothing is ever lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlbench.errors import StoreBusyError, StoreError
from mlbench.store.connection import locked, write
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.queries import list_runs
from mlbench.store.upkeep.merging import merge
from mlbench.store.upkeep.rebuilding import rebuild, shrink
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import Reaper, ask, contents, files, fill

pytestmark = pytest.mark.slow

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print("held", flush=True)
sys.stdin.read()
"""
CRASH = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("UPDATE attempts SET command = 'from the log'")
os._exit(9)
"""


@pytest.fixture
def filled(paths: StorePaths) -> StorePaths:
    return fill(paths)


def test_a_database_is_made_anew_as_it_was(filled: StorePaths) -> None:
    before = contents(filled)
    with write(filled) as connection:
        connection.execute("UPDATE episodes SET score = 0; DELETE FROM phases")
        connection.execute("CREATE TABLE recipes (name VARCHAR)")
    report = rebuild(filled)
    assert (report.runs, report.episodes, report.kept, report.damaged) == (4, 84, None, ())
    assert contents(filled) == before
    assert ingest(filled).lines == 0
    assert sorted(path.name for path in filled.database.parent.iterdir()) == [
        "runs", "runs.duckdb", "runs.duckdb.lock",
    ]  # fmt: skip


def test_a_database_that_is_missing_is_made(filled: StorePaths) -> None:
    before = contents(filled)
    filled.database.unlink()
    assert rebuild(filled).runs == 4
    assert contents(filled) == before


def test_a_store_of_nothing_is_a_database_of_nothing(paths: StorePaths) -> None:
    assert rebuild(paths).runs == 0
    assert list_runs(paths).is_empty()


@pytest.mark.parametrize("damage", ["garbage", "cut", "zeros"])
def test_a_database_that_does_not_open_is_kept_aside(filled: StorePaths, damage: str) -> None:
    before = contents(filled)
    whole = filled.database.read_bytes()
    spoilt = {"garbage": b"x" * 9999, "cut": whole[:9999], "zeros": whole[:4096] + bytes(99999)}
    filled.database.write_bytes(spoilt[damage])
    report = rebuild(filled)
    assert report.kept == filled.database.with_name("runs.old-1.duckdb")
    assert report.kept.read_bytes() == spoilt[damage]
    assert str(filled.database) in report.reason
    assert contents(filled) == before


def test_what_only_the_database_has_gets_journals_first(filled: StorePaths) -> None:
    before = contents(filled)
    for name, attempt in (("whole", 1), ("killed", 3)):
        filled.journal(name, attempt).unlink()
    assert rebuild(filled).rescued == (("killed", 3), ("whole", 1))
    assert contents(filled) == before
    shutil.rmtree(filled.folder)
    assert len(rebuild(filled).rescued) == 6
    assert contents(filled) == before


def test_a_database_that_has_more_than_its_journals_is_kept_and_gives_it_back(
    filled: StorePaths,
) -> None:
    before = contents(filled)
    journal = filled.journal("whole", 1)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    report = rebuild(filled)
    assert report.kept == filled.database.with_name("runs.old-1.duckdb")
    assert report.reason == "it has more of whole than their journals"
    assert ask(filled, "SELECT count(*) FROM episodes WHERE run_id = 'whole'") == [(12,)]
    assert merge(filled, report.kept).grown == {"whole"}
    ingest(filled)
    inferred = [row for row in contents(filled)["statuses"] if row not in before["statuses"]]
    assert all("'interrupted'" in row for row in inferred)
    assert {**contents(filled), "statuses": []} == {**before, "statuses": []}
    assert rebuild(filled).kept is None


def test_damage_is_told_and_the_rest_is_there(filled: StorePaths) -> None:
    journal = filled.journal("odd", 1)
    filled.database.unlink()
    journal.write_bytes(b"{}\n" + journal.read_bytes())
    report = rebuild(filled)
    assert "odd.1.jsonl is damaged, line 1" in report.damaged[0]
    assert report.runs == 3


def test_what_waits_in_the_log_of_the_database_is_not_mixed_with_the_rebuilt_one(
    filled: StorePaths,
) -> None:
    before = contents(filled)
    log = filled.database.with_name("runs.duckdb.wal")
    for act in (rebuild, shrink):
        subprocess.run([sys.executable, "-c", CRASH, str(filled.database)], check=False)
        assert log.exists()
        act(filled)
        assert not log.exists()
        commands = ask(filled, "SELECT DISTINCT command FROM attempts")
        assert (commands == [("from the log",)]) == (act is shrink)
    rebuild(filled)
    subprocess.run([sys.executable, "-c", CRASH, str(filled.database)], check=False)
    filled.database.unlink()
    rebuild(filled)
    assert contents(filled) == before


def test_a_newer_database_is_refused_and_left_as_it_is(filled: StorePaths) -> None:
    with write(filled) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, now())")
    before = filled.database.read_bytes()
    with pytest.raises(StoreError, match="has schema 99"):
        rebuild(filled)
    assert filled.database.read_bytes() == before


def test_who_holds_the_database_is_named(filled: StorePaths) -> None:
    with locked(filled, shared=True), pytest.raises(StoreBusyError, match="in use by"):
        rebuild(filled, patience=0.1)
    command = [sys.executable, "-c", HOLD, str(filled.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreBusyError, match=f"PID {other.pid}"):
            rebuild(filled, patience=0.1)
        other.communicate()


@pytest.mark.parametrize("lost", [[], ["killed.1.jsonl", "dead.1.jsonl"]])
def test_whoever_is_killed_while_rebuilding_leaves_a_whole_store(
    filled: StorePaths, reaper: Reaper, lost: list[str]
) -> None:
    before = contents(filled)
    for name in lost:
        (filled.journals / name).unlink()
    step = 0
    while not reaper.survives(lambda: rebuild(filled), step):
        assert ingest(filled).damaged == ()
        step += 1
        if not lost:
            assert contents(filled) == before
    assert step >= 3
    assert contents(filled) == before
    assert not [path for path in filled.database.parent.rglob("*") if ".new" in path.name]


DIE = """
import os, signal, sys
from pathlib import Path
from mlbench.store.paths import StorePaths
from mlbench.store.upkeep import copying, merging, pruning, rebuilding
from datetime import timedelta

verb, paths, left = sys.argv[1], StorePaths(Path(sys.argv[2])), int(sys.argv[3])
other = Path(sys.argv[4])

def counted(change):
    def change_or_die(*arguments, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*arguments, **more)
    return change_or_die

for name in ("replace", "unlink", "fsync", "link"):
    setattr(os, name, counted(getattr(os, name)))
if verb == "rebuild":
    rebuilding.rebuild(paths)
elif verb == "merge":
    merging.merge(paths, other)
elif verb == "prune":
    pruning.prune(paths, pruning.prunable(paths, timedelta()))
else:
    copying.backup(paths, other)
"""


@pytest.mark.parametrize("verb", ["rebuild", "merge", "prune", "backup"])
def test_a_process_that_is_killed_for_good_loses_nothing(
    filled: StorePaths, theirs: StorePaths, verb: str
) -> None:
    kept = "SELECT * FROM episodes WHERE phase <> 'train' ORDER BY ALL"
    before = str(ask(filled, kept))
    other = theirs.database.parent / "backup"
    if verb == "merge":
        other = theirs.folder
        for name in ("n1", "n2"):
            run = FakeRun(name)
            run.write(theirs, run.whole(spec_hash=name)[:4])  # training alone
    step, code = 0, -9
    while code == -9:
        command = [sys.executable, "-c", DIE, verb, str(filled.database), str(step), str(other)]
        code = subprocess.run(command, check=False, cwd=Path(__file__).parents[3]).returncode
        assert code in {0, -9}
        assert ingest(filled).damaged == ()
        assert str(ask(filled, kept)) == before
        step += 1
        if verb == "backup" and code and other.exists():
            other.rename(other.with_name(f"complete-{step}"))
    assert step > 3
    left = [path for path in files(filled.database.parent) if ".new" in path]
    assert left == []
