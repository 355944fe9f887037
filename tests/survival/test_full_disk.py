"""A disk or a quota that fills up under a run: what is acknowledged stays, and all is told."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from mlbench.store.ingest import ingest
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths
from tests.survival.typed import SINE, SINE_EPISODES, recorded, run_ids, typed

pytestmark = pytest.mark.slow

SLOW = partial(pytest.param, marks=pytest.mark.slow)
REMEDIES = ("free some space", "free or unlock", "make room")


@contextmanager
def quota(size: int) -> Iterator[None]:
    """Let no file of this process become larger than some bytes: a quota that needs no rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return what gives a disk of some size, and another size to the same disk."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: str) -> Path:
        how = f"{'remount,' if folder.is_mount() else ''}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return the episodes of the run when nothing is in its way."""
    paths = StorePaths(tmp_path_factory.mktemp("whole") / "runs.duckdb")
    assert typed(paths, *SINE).code == 0
    (run_id,) = run_ids(paths)
    return recorded(paths, run_id)


def fill(folder: Path, left: int) -> Path:
    """Fill a disk but for some bytes."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    with filler.open("wb") as file:
        file.write(b"\0" * max(0, free.f_bavail * free.f_frsize - left))
    return filler


@pytest.mark.parametrize("size", [SLOW(0), 2_000, SLOW(12_000)])
def test_a_run_on_a_quota_says_so_keeps_what_it_wrote_and_goes_on(
    paths: StorePaths, whole: list[object], size: int
) -> None:
    with quota(size):
        full = typed(paths, *SINE)
    assert full.code == 1
    assert any(remedy in full.error for remedy in REMEDIES), full.err
    assert str(paths.folder) in full.error
    kept = [line for journal in list_journals(paths) for _, line in journal.lines(0)]
    safe = len(recorded(paths, run_ids(paths)[0])) if ingest(paths).lines or kept else 0
    again = typed(paths, *SINE)
    assert again.code == 0, again.err
    (run_id,) = run_ids(paths)
    assert recorded(paths, run_id) == whole
    assert len(whole) == SINE_EPISODES >= safe


def test_a_database_that_meets_a_quota_leaves_all_in_the_journals(
    paths: StorePaths, whole: list[object]
) -> None:
    with quota(64_000):  # the journal and checkpoints fit, the database does not
        run = typed(paths, *SINE)
        assert run.code == 0, "a run needs no database to have its result"
        assert "The episodes wait in" in run.err
        assert "takes no more: the disk or the quota is full; free some space" in run.err
        assert not paths.database.exists()
    assert typed(paths, "table").code == 0
    (run_id,) = run_ids(paths)
    assert recorded(paths, run_id) == whole


def test_a_table_that_lacks_everything_says_that_it_waits_in_the_journals(
    paths: StorePaths,
) -> None:
    with quota(64_000):
        assert typed(paths, *SINE).code == 0
        assert "takes no more: the disk or the quota is full" in typed(paths, "table").err


@pytest.mark.parametrize("left", [SLOW(0), 24_576])
def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    disk: Callable[[str], Path], whole: list[object], left: int
) -> None:
    paths = StorePaths(disk("1m") / "runs.duckdb")
    fill(paths.database.parent, left)
    full = typed(paths, *SINE)
    assert full.code == 1
    assert "No space left" in full.error or "full" in full.error
    assert any(remedy in full.error for remedy in REMEDIES), full.err
    disk("64m")
    again = typed(paths, *SINE)
    assert again.code == 0, again.err
    (run_id,) = run_ids(paths)
    assert recorded(paths, run_id) == whole


def test_a_disk_that_fills_up_while_episodes_are_taken_in_loses_none(
    disk: Callable[[str], Path], whole: list[object]
) -> None:
    paths = StorePaths(disk("2m") / "runs.duckdb")
    filler = fill(paths.database.parent, 150_000)
    run = typed(paths, *SINE)
    assert run.code == 0, run.err
    assert "The episodes wait in" in run.err
    assert "the disk or the quota is full" in run.err
    filler.unlink()
    disk("64m")
    assert typed(paths, "table").code == 0
    (run_id,) = run_ids(paths)
    assert recorded(paths, run_id) == whole
