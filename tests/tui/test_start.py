"""The form that starts a run, filled in by keys: what it shows, and what it starts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Select, Static

from mlbench.session.process import ControlError, Launch
from mlbench.store.paths import StorePaths
from mlbench.tui import control
from mlbench.tui.app import Dashboard
from mlbench.tui.form import Values
from mlbench.tui.form_rows import ChoiceRow, FormRow, Tick
from mlbench.tui.start_screen import StartScreen
from tests.tui.test_form import SINE, values

pytestmark = pytest.mark.slow


async def wait(pilot: Pilot[None], true: Callable[[], bool], what: str) -> None:
    """Let the app go on until something is so."""
    deadline = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < deadline, f"waited until {what}"
        await asyncio.sleep(0.01)  # a pause of the pilot's takes longer than all of it
    await pilot.pause()


async def known(pilot: Pilot[None]) -> None:
    """Wait until the form has looked up what stands in it."""
    screen = pilot.app.screen
    assert isinstance(screen, StartScreen)

    def looked_up() -> bool:
        return screen.facts is not None and screen.facts.values == screen.values

    await wait(pilot, looked_up, "the form is checked")


@asynccontextmanager
async def form(
    paths: StorePaths, preset: Values | None = SINE, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[None], StartScreen]]:
    """Open the form over an empty store."""
    app = Dashboard(paths)
    async with app.run_test(size=size) as pilot:
        screen = StartScreen(preset)
        await app.push_screen(screen)
        await known(pilot)
        yield pilot, screen


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Collects the arguments of what is started; nothing is."""
    calls: list[tuple[str, ...]] = []

    def start(paths: StorePaths, arguments: tuple[str, ...]) -> Launch:
        calls.append(arguments)
        return Launch(arguments, 4_194_305, tmp_path / "log", 0.0)

    monkeypatch.setattr(control, "start", start)
    monkeypatch.setattr(Launch, "poll", lambda self: self.exit_code)
    return calls


def text_of(screen: StartScreen, where: str) -> str:
    return str(screen.query_one(where, Static).render())


def refusal_of(screen: StartScreen, field: str) -> str | None:
    row = next(row for row in screen.query(FormRow) if row.field == field)
    return str(row.refusal.render()) if row.refusal.display else None


async def type_into(pilot: Pilot[None], screen: StartScreen, field: str, text: str) -> None:
    screen.row(field).input.focus()
    await pilot.press(*text)
    await pilot.pause()
    await known(pilot)


async def test_n_opens_the_form_and_escape_leaves_it(paths: StorePaths) -> None:
    app = Dashboard(paths)
    async with app.run_test() as pilot:
        await pilot.press("n")
        await wait(pilot, lambda: isinstance(app.screen, StartScreen), "the form is open")
        await pilot.press("escape")
        assert not isinstance(app.screen, StartScreen)


async def test_only_what_is_typed_is_set_and_the_command_line_is_shown(paths: StorePaths) -> None:
    async with form(paths) as (pilot, screen):
        assert screen.row("set:inner_lr").input.placeholder == "0.01"
        line = "mlbench run maml --train sine --budget quick"
        assert text_of(screen, "#command") == f"{line} --db {paths.database}"
        await type_into(pilot, screen, "set:inner_lr", "0.05")
        await type_into(pilot, screen, "shots", "10")
        line += " --shots 10 --set inner_lr=0.05"
        assert text_of(screen, "#command") == f"{line} --db {paths.database}"


async def test_a_bad_value_is_refused_beside_its_field_and_nothing_is_started(
    paths: StorePaths, started: list[tuple[str, ...]]
) -> None:
    async with form(paths) as (pilot, screen):
        await type_into(pilot, screen, "set:inner_lr", "-1")
        told = "× maml cannot take inner_lr=-1: it must be float, above 0; the default is 0.01"
        assert refusal_of(screen, "set:inner_lr") == told
        assert refusal_of(screen, "set:order") is None
        await type_into(pilot, screen, "shots", "x")
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: not screen.starting, "it is refused")
        assert "nothing was started" in text_of(screen, "#message")
        assert screen.focused is screen.row("shots").input
        assert not started

        await pilot.press("backspace")
        screen.row("set:inner_lr").input.focus()
        await pilot.press("home", "delete")
        await known(pilot)
        assert refusal_of(screen, "set:inner_lr") is None
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: bool(started), "it is started")
        assert started == [("maml", "--train", "sine", "--budget", "quick", "--set", "inner_lr=1")]


async def test_all_of_it_works_by_keyboard(
    paths: StorePaths, started: list[tuple[str, ...]]
) -> None:
    async with form(paths, values(algorithm="fo_maml", train="sine")) as (pilot, screen):
        await pilot.press("enter", "end", "enter")  # the last technique
        await known(pilot)
        assert screen.values.algorithm == "turtle"
        ticks = list(screen.query_one("SeveralRow").query(Tick))  # the data sets, by name
        names = [str(tick.render()).removeprefix("[ ] ") for tick in ticks]
        glyphs = names.index("glyphs")
        await pilot.press("tab", "tab")  # over the data set to train on, to the first of them
        assert screen.focused is ticks[0]
        for _ in range(glyphs):
            await pilot.press("tab")
        await pilot.press("space")
        assert screen.focused is ticks[glyphs]
        assert [str(tick.render()) for tick in ticks] == [
            f"[{'x' if name == 'glyphs' else ' '}] {name}" for name in names
        ]
        for _ in range(len(ticks) - glyphs):  # over the others, to the budget and past it
            await pilot.press("tab")
        await pilot.press("down", "2", "down")  # from ways to shots, and on
        await pilot.press("3", "enter", "7")  # queries, then seeds
        await known(pilot)
        assert screen.arguments == (
            *("turtle", "--train", "sine", "--eval", "glyphs", "--budget", "quick"),
            *("--shots", "2", "--queries", "3", "--seed", "7"),
        )
        assert "sine is regression and glyphs is classification" in text_of(screen, "#message")


async def test_another_technique_brings_its_own_hyperparameters(
    paths: StorePaths, started: list[tuple[str, ...]]
) -> None:
    async with form(paths) as (pilot, screen):
        await type_into(pilot, screen, "set:inner_lr", "0.05")
        choice = next(row for row in screen.query(ChoiceRow) if row.field == "algorithm")
        choice.select.value = "turtle"
        await pilot.press("ctrl+s", "ctrl+s")  # before those of maml have left the form
        await wait(pilot, lambda: bool(started), "it is started")
        await pilot.press("ctrl+s")
        await known(pilot)
        assert started == [("turtle", "--train", "sine", "--budget", "quick")]
        assert text_of(screen, "#heading") == "Hyperparameters of turtle"
        assert screen.row("set:beta").input.placeholder == "0.9"
        assert not screen.values.settings
        assert "g_φ" in str(screen.row("set:hidden").help.render())


async def test_a_preset_fills_the_form_with_its_hyperparameters(paths: StorePaths) -> None:
    preset = values(
        train="sine",
        numbers={"shots": "10"},
        settings={"inner_lr": "0.3"},
        more="learner.hidden=8,8",
    )
    async with form(paths, preset) as (pilot, screen):
        await wait(pilot, lambda: screen.values == preset, "the hyperparameters are there")
        await known(pilot)
        assert screen.arguments[-4:] == ("--set", "inner_lr=0.3", "--set", "learner.hidden=8,8")


async def test_what_a_started_process_says_is_shown_and_the_form_left_once_its_run_has_begun(
    paths: StorePaths, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "maml-sine-1 has this very spec and is finished; --again runs it once more."
    ended = Launch(("run",), 4_194_305, paths.database.with_name("log"), 0.0, exit_code=0)
    ended.log.write_text(f"{said}\nNext: mlbench table\n", encoding="utf-8")

    def refuse(*_: object) -> Launch:
        raise ControlError("'mlbench run' cannot be started: no memory; free some")

    monkeypatch.setattr(control, "start", lambda *_: ended)
    async with form(paths) as (pilot, screen):
        await pilot.click("#start")
        await wait(pilot, lambda: said in text_of(screen, "#message"), "it is told")
        assert screen.is_current
        assert not screen.query_one("#start", Button).disabled

        ended.exit_code = 1
        ended.log.write_text("Error: no room; make some\n", encoding="utf-8")
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: "× no room; make some" in text_of(screen, "#message"), "that too")

        monkeypatch.setattr(control, "start", refuse)
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: "no memory" in text_of(screen, "#message"), "that it cannot be")

        monkeypatch.setattr(control, "start", lambda *_: ended)
        monkeypatch.setattr(Launch, "run_id", lambda self, paths: "maml-sine-1")
        ended.exit_code = None
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: not screen.is_current, "the form is left")
        assert [each.message for each in pilot.app._notifications] == ["maml-sine-1 is running"]


async def test_the_form_starts_a_real_run(paths: StorePaths) -> None:
    preset = values(train="sine", budget="smoke", numbers={"threads": "1", "train_tasks": "10"})
    launches: list[Launch] = []
    real = control.start

    def start(paths: StorePaths, arguments: tuple[str, ...]) -> Launch:
        launches.append(real(paths, arguments))
        return launches[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "start", start)
        async with form(paths, preset) as (pilot, screen):
            await pilot.press("ctrl+s")
            await wait(pilot, lambda: not screen.is_current, "it began")
            await wait(pilot, lambda: launches[0].exit_code is not None, "it ended")
    assert launches[0].exit_code == 0
    with pytest.raises(ChildProcessError):  # the dashboard waited for it
        os.waitpid(launches[0].pid, os.WNOHANG)


async def test_the_form_fits_any_terminal(paths: StorePaths) -> None:
    async with form(paths) as (pilot, screen):
        for width, height in ((80, 24), (40, 12), (120, 40)):
            await pilot.resize_terminal(width, height)
            field = screen.row("set:meta_lr").input
            screen.query(Select).first().focus()
            await pilot.pause()
            field.focus()
            foot = screen.query_one("#foot")
            await wait(pilot, lambda: field.region.bottom <= foot.region.y, "it scrolled there")  # noqa: B023
            assert field.region.height == 1
            assert field.region.y >= 1
            assert screen.query_one("#command").region.bottom < height
