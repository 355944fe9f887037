"""The dashboard shows hostile names on every screen, obeys none and sends none to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from mlbench.store.connection import write
from mlbench.store.feed import Feed
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from mlbench.tui import export
from mlbench.tui.app import Dashboard
from mlbench.tui.control import resume
from mlbench.tui.shown import NothingSteers
from tests.security.hostile import EVERYTHING, NAMES, fill_with, steering
from tests.tui.conftest import settled, text_of

pytestmark = pytest.mark.slow

TOUR = (
    ("runs", ()),
    ("a run", ("enter",)),
    ("its packages", ("p",)),
    ("what stops it", ("x",)),
    ("what goes on with it", ("c",)),
    ("the sorting", ("escape", "s")),
    ("the filter", ("escape", "slash", "[", "x")),
    ("tables", ("escape", "escape", "2")),
    ("a cell", ("enter",)),
    ("times", ("escape", "3")),
    ("comparisons", ("4",)),
    ("the keys", ("question_mark",)),
    ("the palette", ("escape", "ctrl+p")),
)
"""Screens, and the keys that lead there from the one before."""
QUICK = (("runs", ()), ("a run", ("enter",)), ("its packages", ("p",)), ("tables", ("escape", "2")))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    paths = fill_with(StorePaths(tmp_path_factory.mktemp("dash") / "runs.duckdb"), EVERYTHING)
    with Journal.open(paths, "r\x1b[31m[red]", 1) as journal:
        journal.path.write_bytes(b'{"type":"\x1b[31m[/nope]"}\n')
    return paths


def lines_sent(app: Dashboard) -> tuple[str, set[str]]:
    """Return what the terminal gets of all lines, and what a click on them would do."""
    strips = app.screen._compositor.render_strips()
    clicks = {
        str(segment.style.meta["@click"])
        for strip in strips
        for segment in strip
        if segment.style and "@click" in segment.style.meta
    }
    links = {seg.style.link for strip in strips for seg in strip if seg.style and seg.style.link}
    assert not links
    return "\n".join(strip.text for strip in strips), clicks


@pytest.mark.parametrize("tour", [QUICK, pytest.param(TOUR, marks=pytest.mark.slow)])
async def test_every_screen_shows_hostile_names_as_text(
    tour: Sequence[tuple[str, Sequence[str]]],
    store: StorePaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Dashboard(store)
    async with app.run_test(size=(160, 60)) as pilot:
        await settled(pilot)
        for place, keys in tour:
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            text, clicks = lines_sent(app)
            assert not steering(text), place
            assert all(click.startswith("app.go(") for click in clicks), place
            if place in {"runs", "a run", "tables", "times", "comparisons"}:
                assert "[red]r" in text or "]0;owned" in text, place
        assert app.is_running


def test_what_steers_is_left_out_and_the_line_stays_as_wide() -> None:
    for text in (*NAMES, "a\u200db\xadc", "plain", "\ud800x", "👩\u200d🔬"):
        (shown,) = NothingSteers().apply([Segment(text)], Color(0, 0, 0))
        assert not steering(shown.text)
        assert cell_len(shown.text) == cell_len(text)


@pytest.mark.parametrize("run_id", ["../../x", "a/b", "r\x1b[31m", "x" * 300, "..", "-o", "~"])
def test_an_exported_file_stays_in_its_folder_whatever_the_run_is_called(
    run_id: str, tmp_path: Path
) -> None:
    made = export.write_files(tmp_path, f"run-{run_id}", {".csv": export.text_writer("a")})
    assert [path.parent for path in made] == [tmp_path]
    assert made[0].name.startswith("mlbench-run-")
    assert sorted(tmp_path.iterdir()) == made


def test_a_run_that_is_called_as_an_option_is_gone_on_with_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr("mlbench.tui.control.spawn", lambda _, arguments: started.append(arguments))
    resume(StorePaths(tmp_path / "runs.duckdb"), "--db=/elsewhere")
    assert list(started[0][-2:]) == ["--", "--db=/elsewhere"]


async def test_runs_of_a_database_whose_names_no_file_can_have_are_listed(tmp_path: Path) -> None:
    paths = fill_with(StorePaths(tmp_path / "runs.duckdb"), "plain")
    names = ["../../x", "a/b", "x" * 400, "n\x00ul", "-o"]
    with write(paths) as connection:
        for table in ("attempts", "machines"):
            one = f"SELECT * REPLACE (? AS run_id) FROM {table} LIMIT 1"  # noqa: S608
            for name in names:
                connection.execute(f"INSERT INTO {table} {one}", [name])
    assert {run.run_id for run in Feed(paths).poll().runs} >= set(names)
    app = Dashboard(paths)
    async with app.run_test(size=(160, 30)) as pilot:
        await settled(pilot)
        await pilot.press("end", "enter")
        await settled(pilot)
        assert "interrupted" in text_of(app)
