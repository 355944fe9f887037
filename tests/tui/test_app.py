"""The shell: its keys, the palette, exporting, sizes, colours, and how fast it opens."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from textual.command import CommandPalette

from mlbench.cli.tui import command
from mlbench.errors import MisuseError, MlbenchError, StoreError
from mlbench.store.paths import StorePaths
from mlbench.tui.app import PLACES, Dashboard, here
from mlbench.tui.runs_screen import RunsScreen
from mlbench.tui.status import StatusLine, TitleLine
from mlbench.tui.tables_screen import TablesScreen
from mlbench.tui.view import View
from tests.tui.conftest import StillFeed, settled, text_of, until


def is_called(app: Dashboard, name: str) -> bool:
    """Return whether the screen in front is of a class."""
    return type(app.screen).__name__ == name


async def test_each_screen_has_its_key_and_its_place_in_the_title_to_click_on(
    empty_store: StorePaths,
) -> None:
    app = Dashboard(empty_store)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        for place in reversed(PLACES.values()):
            await pilot.press(place.key)
            await until(pilot, partial(is_called, app, place.screen))
            title = "mlbench 1 Runs 2 Tables 3 Times 4 Compare runs.duckdb"
            assert text_of(app).splitlines()[0].split() == title.split()
            names = app.screen.query_one(TitleLine).names()
            (current,) = [span for span in names.spans if "reverse" in str(span.style)]
            assert names.plain[current.start : current.end].split() == [place.key, place.name]
        await pilot.click("#places", offset=(20, 0))
        await until(pilot, lambda: isinstance(app.screen, TablesScreen))


@pytest.mark.slow
async def test_a_key_while_a_run_is_left_leaves_nothing_of_it_behind(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        app.open_run(still.still.runs[0].run_id)
        await settled(pilot)
        left = app.screen
        app.action_go("runs")
        await asyncio.sleep(0)
        app.action_go("tables")
        await settled(pilot)
        app.action_go("runs")
        await settled(pilot)
        assert isinstance(app.screen, RunsScreen)
        assert not left.is_running


async def test_q_quits(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test() as pilot:
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running


async def test_d_switches_between_dark_and_light_and_back(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test() as pilot:
        await settled(pilot)
        assert app.current_theme.dark
        await pilot.press("d")
        assert not app.current_theme.dark
        await pilot.press("d")
        assert app.theme == "mlbench-dark"
        app.theme = "ansi-light"
        await pilot.press("d")
        assert app.theme == "ansi-dark"


async def test_the_palette_offers_all_that_can_be_done(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test() as pilot:
        await settled(pilot)
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert offered >= {
            *(f"Go to {place.name}" for place in PLACES.values()),
            "New run",
            "Export",
            "Theme",
            "Stop the run",
            "Resume the run",
            "Quit",
        }
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*"dark")
        await settled(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: not app.current_theme.dark)


async def test_e_writes_what_is_seen_and_says_which_files(
    still: StillFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"failed", "enter", "e")
        await settled(pilot)
        (file,) = tmp_path.glob("*.csv")
        assert file.read_text().count("\n") == 2  # the names of columns, and one run
        assert "no gradient" in file.read_text()
        assert file.name in text_of(app)


async def test_what_cannot_be_exported_is_told_with_its_reason(
    still: StillFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(self: View, folder: Path) -> list[Path]:
        raise MlbenchError("the [disk] is full")

    monkeypatch.setattr(RunsScreen, "export", export)
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        assert "the [disk] is full" in text_of(app)


def test_a_current_folder_that_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(MlbenchError, match="the current folder is gone"):
        here()


@pytest.mark.slow
async def test_a_terminal_may_be_resized_to_any_size(still: StillFeed) -> None:
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for width, height in ((60, 15), (200, 60), (20, 5), (1, 1), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            lines = text_of(app).split("\n")
            assert len(lines) == height
            assert max(map(len, lines)) <= width
        assert "TURTLE" in text_of(app)
        assert "finished" in str(app.screen.query_one(StatusLine).render())


@pytest.mark.slow
async def test_any_theme_and_no_colours_at_all_will_do(
    still: StillFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        plain = text_of(app)
        assert "✗ failed" in plain
        for theme in ("ansi-dark", "ansi-light", "textual-light", "nord"):
            app.theme = theme
            await pilot.pause()
            assert text_of(app) == plain
        await pilot.press("down", "enter")
        await settled(pilot)
        assert "◆" in text_of(app)
        for theme in ("ansi-dark", "ansi-light"):
            app.theme = theme
            await pilot.pause()
            assert "◆" in text_of(app)


def test_the_command_opens_the_dashboard_of_a_database(
    full_store: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[StorePaths] = []
    monkeypatch.setattr(Dashboard, "run", lambda self: opened.append(self.paths))
    asked = ["--db", str(full_store.database)]
    for stdin in (io.StringIO(), None):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(MisuseError, match="needs a terminal"):
            command.main(asked, standalone_mode=False)
    for stream in ("sys.stdin", "sys.stderr"):
        monkeypatch.setattr(stream, Terminal())
    command.main(asked, standalone_mode=False)
    assert opened == [full_store]
    with pytest.raises(StoreError, match="does not exist"):
        command.main(["--db", "no/such/place.duckdb"], standalone_mode=False)


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_neither_torch_nor_a_chart_library_is_loaded_to_look_at_runs(
    full_store: StorePaths,
) -> None:
    program = f"""
import asyncio, sys
from pathlib import Path
from mlbench.store.paths import StorePaths
from mlbench.tui.app import Dashboard

light = [name for name in ("duckdb", "polars", "scipy", "numpy") if name in sys.modules]

async def main():
    app = Dashboard(StorePaths(Path({str(full_store.database)!r})))
    async with app.run_test() as pilot:
        for key in ("2", "3", "4", "1", "enter"):
            while not app.polled or any(not worker.is_finished for worker in app.workers):
                await pilot.pause(0.01)
            await pilot.press(key)
        while any(not worker.is_finished for worker in app.workers):
            await pilot.pause(0.01)

asyncio.run(main())
heavy = [name for name in ("torch", "altair", "vl_convert") if name in sys.modules]
print(light, heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[] []\n", done.stderr[-2000:]
