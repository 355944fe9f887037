"""``mlbench merge``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.store.connection import write
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run
from tests.fake_runs import FakeRun
from tests.store.upkeep.stores import ask, began, fill


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture
def theirs(tmp_path: Path) -> StorePaths:
    (tmp_path / "theirs").mkdir()
    return fill(StorePaths(tmp_path / "theirs" / "runs.duckdb"))


def merge(paths: StorePaths, *sources: Path) -> Result:
    return CliRunner().invoke(main, ["merge", *map(str, sources), "--db", str(paths.database)])


def test_what_was_taken_is_told_and_is_in_the_database(
    paths: StorePaths, theirs: StorePaths
) -> None:
    result = merge(paths, theirs.folder)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{theirs.folder}: 4 runs, 4 taken in; 84 episodes.\n"
    assert ask(paths, "SELECT count(*) FROM episodes") == [(72,)]
    again = merge(paths, theirs.folder, theirs.database)
    assert again.stderr == (
        f"{theirs.folder}: 4 runs, nothing that is not here.\n"
        f"{theirs.database}: 4 runs, nothing that is not here.\n"
    )


def test_a_run_of_another_name_is_told(paths: StorePaths, theirs: StorePaths) -> None:
    run = FakeRun("whole")
    run.write(paths, [began(run.started(), host="here"), run.status()])
    told = merge(paths, theirs.folder).stderr
    assert "whole is called whole-2 here, because another run has that name." in told


def test_what_could_not_be_taken_ends_with_1_and_the_rest_is_taken(
    paths: StorePaths, theirs: StorePaths, tmp_path: Path
) -> None:
    (tmp_path / "bad.duckdb").write_text("x" * 5000)
    with theirs.journal("whole", 1).open("ab") as file:
        file.write(b"{}\n")
    result = merge(paths, tmp_path / "bad.duckdb", theirs.folder)
    assert result.exit_code == 1
    first, *troubles = result.stderr.splitlines()
    assert first.endswith("4 runs, 4 taken in; 84 episodes.")
    assert [line.rpartition("; ")[2] for line in troubles] == [
        "ask for another copy",
        f"{theirs.journal('whole', 1)} is damaged, line 11: it is no record of a type that this"
        " mlbench knows",
    ]
    assert ask(paths, "SELECT count(*) FROM runs") == [(4,)]


def test_a_name_that_would_steer_a_terminal_is_spelt_out(
    paths: StorePaths, theirs: StorePaths
) -> None:
    with write(theirs) as connection:
        for table in ("attempts", "machines"):
            change = f"UPDATE {table} SET run_id = 'x\x1b[2J' WHERE run_id = 'odd'"  # noqa: S608
            connection.execute(change)
    theirs.journal("odd", 1).unlink()
    result = merge(paths, theirs.database)
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr
    assert "as mlbench names none" in result.stderr


@pytest.mark.parametrize(
    ("sources", "message"),
    [([], "Missing argument 'SOURCE...'"), (["nowhere"], "there is no nowhere; name a database")],
)
def test_misuse_is_one_line_and_exit_2(
    paths: StorePaths, sources: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(paths.database.parent)
    result = CliRunner().invoke(main, ["merge", *sources])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_runs_that_are_here_are_not_run_again(paths: StorePaths, theirs: StorePaths) -> None:
    merge(paths, theirs.database)
    ingest(paths)
    found = find_run(paths, "0")
    assert found is not None
    assert (found.run_id, found.status) == ("whole", "finished")
