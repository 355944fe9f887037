"""Merging: each run once, whatever it comes as, however often, and whoever is killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlbench.errors import MisuseError, StoreError
from mlbench.store import schema
from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.journal import Journal
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import Record
from mlbench.store.upkeep.merging import merge
from mlbench.store.upkeep.parquet import export
from mlbench.store.upkeep.pruning import prune_journal
from mlbench.store.upkeep.writing import journal_of
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import Reaper, ask, began, contents, files, fill

pytestmark = pytest.mark.slow

EPISODES = "SELECT run_id, count(*), count(DISTINCT position) FROM episodes GROUP BY ALL ORDER BY 1"
VIEWS = Path(__file__).parents[1] / "views_of_version_1.sql"


def as_journals(theirs: StorePaths, folder: Path) -> Path:
    return Path(shutil.copytree(theirs.folder, folder / "given"))


def as_loose_journals(theirs: StorePaths, folder: Path) -> Path:
    return Path(shutil.copytree(theirs.journals, folder / "given"))


def as_database(theirs: StorePaths, folder: Path) -> Path:
    ingest(theirs)
    return Path(shutil.copyfile(theirs.database, folder / "given.duckdb"))


def as_store(theirs: StorePaths, folder: Path) -> Path:
    return as_database(theirs, folder).replace(theirs.database)


def as_tables(theirs: StorePaths, folder: Path) -> Path:
    export(theirs, folder / "given")
    return folder / "given"


FORMS = [as_journals, as_loose_journals, as_database, as_store, as_tables]
Form = Callable[[StorePaths, Path], Path]


@pytest.mark.parametrize("form", FORMS)
def test_a_store_is_taken_in_whole_and_once(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, form: Form
) -> None:
    fill(theirs)
    mine = FakeRun("mine")
    mine.write(paths, mine.whole(spec_hash="9"))
    given = form(theirs, tmp_path)
    before = files(theirs.database.parent)
    report = merge(paths, given)
    assert (report.runs, len(report.fresh), report.troubles) == (4, 4, [])
    assert report.episodes == len(contents(theirs)["episodes"]) + (
        0 if form in {as_database, as_tables} else 10 + 2  # that later attempts made void
    )
    ingest(paths)
    got, expected = contents(paths), contents(theirs)
    for name, rows in expected.items():
        assert [row for row in got[name] if "'mine'" not in row] == rows, name
    assert ask(paths, "SELECT count(*) FROM runs") == [(5,)]
    again = merge(paths, given)
    assert (again.runs, again.fresh, again.grown, again.episodes) == (4, set(), set(), 0)
    assert ingest(paths).lines == 0
    assert contents(paths) == got
    assert files(theirs.database.parent) == before
    assert sorted(path.name for path in paths.folder.iterdir()) == ["journal", "locks"]


def growing(store: StorePaths) -> tuple[FakeRun, Journal]:
    run = FakeRun()
    journal = Journal.open(store, "r1", 1)
    journal.append([run.started(), run.validated(0), run.episodes(0, 10)])
    return run, journal


@pytest.mark.parametrize(
    ("first", "then"),
    [
        *zip(FORMS, [*FORMS[1:], FORMS[0]], strict=True),
        (as_journals, as_journals),
        (as_database, as_database),
    ],
)
def test_a_run_that_goes_on_there_is_gone_on_with_here(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, first: Form, then: Form
) -> None:
    run, journal = growing(theirs)
    with journal, RunLock(theirs, "r1"):
        one, two = tmp_path / "one", tmp_path / "two"
        for folder in (one, two):
            folder.mkdir()
        report = merge(paths, first(theirs, one))
        assert (report.fresh, report.episodes) == ({"r1"}, 10)
        ingest(paths)
        assert ask(paths, "SELECT status, tasks_trained FROM runs") == [("interrupted", 10)]
        journal.append([run.episodes(10, 13), run.phase("train", 2.0)])
        journal.append([run.episodes(0, 4, "test"), run.status()])
    given = then(theirs, two)
    report = merge(paths, given)
    assert (report.fresh, report.grown, report.episodes) == (set(), {"r1"}, 7)
    assert report.troubles == []
    assert ingest(paths).damaged == ()
    ingest(theirs)
    got, expected = contents(paths), contents(theirs)
    inferred = "SELECT status FROM statuses WHERE NOT inferred"
    assert ask(paths, inferred) == ask(theirs, inferred) == [("finished",)]
    assert {**got, "statuses": []} == {**expected, "statuses": []}
    assert merge(paths, given).grown == set()


def test_lines_that_stay_as_they_were_are_copied_byte_by_byte(
    paths: StorePaths, theirs: StorePaths
) -> None:
    fill(theirs)
    merge(paths, theirs.folder)
    assert files(paths.journals) == files(theirs.journals)


def test_where_a_run_comes_from_stays_with_it(paths: StorePaths, theirs: StorePaths) -> None:
    run = FakeRun()
    origin: dict[str, Any] = {
        "host": "far",
        "command": "mlbench run it",
        "git_commit": "f" * 40,
        "pid": 1,
    }
    packages: dict[str, Any] = {"packages": {"torch": "9"}, "plugin_files": {"a.py": "b" * 64}}
    run.write(theirs, [began(run.started(), **origin, **packages), run.status()])
    ingest(theirs)
    shutil.rmtree(theirs.folder)
    merge(paths, theirs.database)
    ingest(paths)
    assert ask(
        paths,
        "SELECT host, command, git_commit, pid, name, version, path, sha256 FROM attempts"
        " JOIN machines USING (run_id) JOIN packages USING (run_id)"
        " JOIN plugin_files USING (run_id)",
    ) == [("far", "mlbench run it", "f" * 40, 1, "torch", "9", "a.py", "b" * 64)]


@pytest.mark.parametrize("form", [as_journals, as_database])
def test_another_run_of_our_name_gets_a_number_and_is_found_again(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, form: Form
) -> None:
    ours = FakeRun()
    ours.write(paths, ours.whole())
    run, journal = growing(theirs)
    journal.close()
    later = replace(began(run.started(), "2026-11-24T05:00:00+00:00", host="far"), spec_hash="5bec")
    journal.path.unlink()
    run = FakeRun()
    with Journal.open(theirs, "r1", 1) as journal, RunLock(theirs, "r1"):
        journal.append([later, run.episodes(0, 4)])
        report = merge(paths, form(theirs, tmp_path))
        assert (report.fresh, report.renamed) == ({"r1-2"}, {"r1": "r1-2"})
        journal.append([run.episodes(4, 9), run.status()])
    shutil.rmtree(tmp_path / "given", ignore_errors=True)
    report = merge(paths, form(theirs, tmp_path))
    assert (report.fresh, report.grown, report.episodes) == (set(), {"r1-2"}, 5)
    assert ingest(paths).damaged == ()
    assert ask(paths, EPISODES) == [("r1", 16, 16), ("r1-2", 9, 9)]
    assert ask(paths, "SELECT run_id, host FROM machines ORDER BY 1") == [
        ("r1", "nimbus"),
        ("r1-2", "far"),
    ]


def test_a_run_that_went_on_in_two_places_is_left_as_it_is(
    paths: StorePaths, theirs: StorePaths
) -> None:
    for store, at in ((paths, "2026-11-25T05:00:00+00:00"), (theirs, "2026-11-26T05:00:00+00:00")):
        run = FakeRun()
        run.write(store, [run.started(), run.episodes(0, 4)])
        again = run.resumed(4)
        again.write(store, [began(again.started(), at), again.episodes(4, 9), again.status()])
    before = files(paths.journals)
    (trouble,) = merge(paths, theirs.folder).troubles
    assert "r1 went on in two places: attempt 2 of r1 here is another" in trouble
    assert files(paths.journals) == before


def test_a_run_whose_records_are_others_here_is_left_as_it_is(
    paths: StorePaths, theirs: StorePaths
) -> None:
    run = FakeRun()
    first, episodes = run.started(), run.episodes(0, 4)
    run.write(paths, [first, episodes])
    run.write(theirs, [first, replace(episodes, score=[9.0] * 4), run.episodes(4, 8)])
    before = files(paths.journals)
    (trouble,) = merge(paths, theirs.folder).troubles
    assert "r1.1 is another run here than there (episodes from position 0 are others" in trouble
    assert files(paths.journals) == before


def test_a_run_of_ours_that_is_alive_is_left_alone(paths: StorePaths, theirs: StorePaths) -> None:
    run = FakeRun()
    lines: list[Record] = [run.started(), run.episodes(0, 4)]
    run.write(paths, lines)
    run.write(theirs, [*lines, run.episodes(4, 8)])
    with RunLock(paths, "r1"):
        (trouble,) = merge(paths, theirs.folder).troubles
    assert "r1 is already running" in trouble
    assert merge(paths, theirs.folder).grown == {"r1"}


def test_a_damaged_journal_is_taken_up_to_there_and_the_rest_when_it_is_mended(
    paths: StorePaths, theirs: StorePaths
) -> None:
    run = FakeRun()
    path = run.write(theirs, run.whole())
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"{}\n", *lines[3:]]))
    report = merge(paths, theirs.folder)
    assert report.episodes == 8
    assert "r1.1.jsonl is damaged, line 4: it is no record" in report.troubles[0]
    assert ingest(paths).damaged == ()
    path.write_bytes(b"".join([*lines[:3], *lines[5:]]))
    assert "positions 9 to 10 are missing" in merge(paths, theirs.folder).troubles[0]
    path.write_bytes(whole + b'{"type":')
    assert merge(paths, theirs.folder).troubles == []
    assert files(paths.journals) == {"r1.1.jsonl": whole}


def test_what_was_pruned_there_is_taken_as_it_is_and_takes_nothing_away_here(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path
) -> None:
    run = FakeRun()
    lines = run.whole()
    run.write(theirs, lines)
    run.write(paths, lines[:3])
    other = StorePaths(tmp_path / "other.duckdb")
    run.write(other, lines)
    pruned = journal_of(theirs, "r1", 1)
    assert pruned is not None
    prune_journal(theirs, pruned, ["train"])
    assert merge(other, theirs.folder).grown == set()
    assert list(files(other.journals)) == ["r1.1.jsonl"]
    ingest(paths)
    assert merge(paths, theirs.folder).grown == {"r1"}
    assert ingest(paths).damaged == ()
    ingest(other)
    got, expected = contents(paths), contents(other)
    assert {**got, "statuses": []} == {**expected, "statuses": []}  # its training came before
    fresh = StorePaths(tmp_path / "fresh.duckdb")
    for given in (theirs.folder, as_database(theirs, tmp_path)):
        merge(fresh, given)
    assert ingest(fresh).damaged == ()
    assert contents(fresh) == contents(theirs)
    assert merge(fresh, other.folder).grown == set()


@pytest.mark.parametrize(
    "name", ["../../evil", "a/b", "..", ".hidden", "-rf", "a b", "x$(touch y)", "", "n" * 300]
)
def test_a_name_that_could_become_a_path_or_an_option_is_refused(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, name: str
) -> None:
    fill(theirs)
    shutil.rmtree(theirs.folder)
    with write(theirs) as connection:
        for table in ("attempts", "machines", "episodes", "statuses", "journals"):
            change = f"UPDATE {table} SET run_id = ? WHERE run_id = 'whole'"  # noqa: S608
            connection.execute(change, [name])
    before = sorted(tmp_path.rglob("*"))
    report = merge(paths, theirs.database)
    assert len(report.fresh) == 3
    assert "as mlbench names none; it is left out" in report.troubles[0]
    made = set(tmp_path.rglob("*")) - set(before)
    assert all(path.is_relative_to(paths.folder) for path in made)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE attempts SET spec = '[]'", "what mlbench never writes"),
        ("UPDATE attempts SET spec = '{}'", "what mlbench never writes"),
        (
            "UPDATE attempts SET attempt = 2000000000; UPDATE machines SET attempt = 2000000000",
            "an attempt 2000000000, which is none",
        ),
        ("UPDATE episodes SET phase = 'nap'", "its phase or eval_dataset is none"),
        ("UPDATE episodes SET position = 7", "position 7 was there before"),
        ("UPDATE episodes SET episode = -1", "its episode is no column of counts"),
        ("UPDATE statuses SET status = 'well'", "its status, error or tasks_trained is none"),
        ("ALTER TABLE episodes DROP COLUMN score", "what mlbench never writes"),
        ("ALTER TABLE episodes ALTER score TYPE VARCHAR", "what mlbench never writes"),
        ("DROP TABLE packages", "what mlbench never writes"),
        (
            "DROP TABLE packages; CREATE VIEW packages AS SELECT run_id, attempt, content AS name,"
            " content AS version FROM attempts, read_text('/etc/passwd')",
            "what mlbench never writes",
        ),
    ],
)
def test_rows_that_mlbench_never_writes_are_refused_in_one_line(
    paths: StorePaths, theirs: StorePaths, change: str, reason: str
) -> None:
    fill(theirs)
    shutil.rmtree(theirs.folder)
    with duckdb.connect(theirs.database) as connection:  # as somebody else's shell would
        connection.execute("DROP VIEW learning_curves")
        connection.execute(change)
    try:
        told = merge(paths, theirs.database).troubles
    except StoreError as err:
        told = [str(err)]
    assert reason in " ".join(told)
    assert not any("\n" in line for line in told)
    assert ingest(paths).damaged == ()


def older(path: Path) -> None:
    """Make a database of schema 1, with a run of one episode."""
    run = FakeRun()
    store = StorePaths(path.with_name("made.duckdb"))
    run.write(store, [run.started(), run.episodes(0, 1, "test"), run.status()])
    ingest(store)
    with duckdb.connect(path) as connection:
        connection.execute(schema.MIGRATIONS[1].read_text())
        connection.execute("INSERT INTO schema_version VALUES (1, now() AT TIME ZONE 'UTC')")
        connection.execute(f"ATTACH '{store.database}' AS made (READ_ONLY)")
        for table in ("attempts", "machines", "packages", "plugin_files", "episodes", "statuses"):
            names = connection.execute(f"FROM {table} LIMIT 0").description or ()
            columns = ", ".join(name for name, *_ in names)
            copy = f"INSERT INTO {table} SELECT {columns} FROM made.{table}"  # noqa: S608
            connection.execute(copy)
    shutil.rmtree(store.folder)
    store.database.unlink()
    store.lock.unlink()


def test_an_older_database_is_taken_from_and_left_as_it_is(
    paths: StorePaths, theirs: StorePaths
) -> None:
    older(theirs.database)
    before = files(theirs.database.parent)
    assert list(before) == ["runs.duckdb"]
    assert merge(paths, theirs.database).fresh == {"r1"}
    ingest(paths)
    assert ask(paths, "SELECT run_id, stacked, status FROM runs") == [("r1", 1, "finished")]
    assert ask(paths, EPISODES) == [("r1", 1, 1)]
    assert files(theirs.database.parent) == before


def spoilt(change: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with write(StorePaths(path)) as connection:
            connection.execute(change)

    return spoil


def foreign(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name VARCHAR)")


@pytest.mark.parametrize(
    ("make", "kind", "reason"),
    [
        (lambda path: None, MisuseError, "there is no "),
        (lambda path: path.mkdir(), MisuseError, "has neither journals nor tables"),
        (lambda path: path.write_text("x" * 9999), StoreError, "is no DuckDB database; ask for"),
        (lambda path: path.touch(), StoreError, "runs.duckdb"),
        (foreign, StoreError, "not one of mlbench's"),
        (
            spoilt("INSERT INTO schema_version VALUES (99, now())"),
            StoreError,
            "has schema 99, but this mlbench knows",
        ),
    ],
)
def test_what_holds_no_runs_is_told_in_one_line(
    paths: StorePaths,
    theirs: StorePaths,
    make: Callable[[Path], Any],
    kind: type[Exception],
    reason: str,
) -> None:
    make(theirs.database)
    with pytest.raises(kind) as caught:
        merge(paths, theirs.database)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_is_not_merged_into_itself(paths: StorePaths) -> None:
    fill(paths)
    for source in (paths.database, paths.folder, paths.journals):
        with pytest.raises(MisuseError, match="is of this very store"):
            merge(paths, source)


@pytest.mark.parametrize("form", [as_journals, as_database])
def test_a_merge_that_is_killed_at_any_point_is_completed_by_the_next(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path, reaper: Reaper, form: Form
) -> None:
    fill(theirs)
    given = form(theirs, tmp_path)
    run = FakeRun("whole")
    run.write(paths, run.whole(spec_hash="0", incomplete={"mini": "60"})[:4])
    step = 0
    while not reaper.survives(lambda: merge(paths, given), step):
        assert ingest(paths).damaged == ()
        step += 1
    assert step > 4
    assert ingest(paths).damaged == ()
    got, expected = contents(paths), contents(theirs)
    for table in ("episodes", "validations", "phases", "machines", "test_scores"):
        assert got[table] == expected[table]
    assert merge(paths, given).grown == set()
    assert not list(paths.folder.rglob("*.new"))
