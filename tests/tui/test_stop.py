"""Stopping a run and going on with it, from the dashboard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from mlbench.session.process import Launch
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.tui import control
from mlbench.tui.app import Dashboard
from mlbench.tui.launches import LaunchWatch, resume_run
from mlbench.tui.stop_screen import StopConfirm, ask_stop
from tests.tui.test_control import ROW
from tests.tui.test_start import wait

HOLDS = """
import sys
from pathlib import Path
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
with RunLock(StorePaths(Path(sys.argv[1])), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture
def holder(paths: StorePaths) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of the run ``ROW``, and dies of SIGTERM."""
    command = [sys.executable, "-c", HOLDS, str(paths.database), ROW.run_id]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def told(pilot: Pilot[None]) -> list[str]:
    return [each.message for each in pilot.app._notifications]


async def test_a_run_is_stopped_only_after_a_yes(
    paths: StorePaths, holder: subprocess.Popen[str]
) -> None:
    app = Dashboard(paths)
    async with app.run_test(size=(80, 24)) as pilot:
        for keys in (("n",), ("escape",), ("enter",)):  # Enter gives the harmless answer
            ask_stop(app, ROW)
            await wait(pilot, lambda: isinstance(app.screen, StopConfirm), "it asks")
            await pilot.press(*keys)
            assert not isinstance(app.screen, StopConfirm)
            assert holder.poll() is None
        ask_stop(app, ROW)
        await wait(pilot, lambda: isinstance(app.screen, StopConfirm), "it asks")
        await pilot.press("y")
        await wait(pilot, lambda: holder.poll() is not None, "it is stopped")
        assert holder.returncode == -signal.SIGTERM
        assert told(pilot) == ["maml-sine-1 saves its state and stops"]


async def test_that_others_stop_with_it_is_told_first(paths: StorePaths) -> None:
    app = Dashboard(paths)
    async with app.run_test(size=(80, 24)) as pilot:
        with RunLock(paths, ROW.run_id), RunLock(paths, "maml-sine-2"):
            ask_stop(app, ROW)
            await wait(pilot, lambda: isinstance(app.screen, StopConfirm), "it asks")
            words = str(app.screen.query_one(Static).content)
            assert "One program computes 2 runs, and all of them stop." in words
            assert "the command that began them goes on with all" in words


async def test_the_mouse_stops_a_run_too(paths: StorePaths, holder: subprocess.Popen[str]) -> None:
    app = Dashboard(paths)
    async with app.run_test(size=(80, 24)) as pilot:
        ask_stop(app, ROW)
        await wait(pilot, lambda: isinstance(app.screen, StopConfirm), "it asks")
        await pilot.click("#stop")
        await wait(pilot, lambda: holder.poll() is not None, "it is stopped")


async def test_what_cannot_be_stopped_is_told_without_a_question(paths: StorePaths) -> None:
    app = Dashboard(paths)
    async with app.run_test() as pilot:
        ask_stop(app, ROW)
        await wait(pilot, lambda: bool(told(pilot)), "it is told")
        assert not isinstance(app.screen, StopConfirm)
        assert told(pilot) == ["maml-sine-1 is not running; c goes on with it"]


async def test_a_run_that_ends_while_we_ask_is_told(
    paths: StorePaths, holder: subprocess.Popen[str]
) -> None:
    app = Dashboard(paths)
    async with app.run_test() as pilot:
        ask_stop(app, ROW)
        await wait(pilot, lambda: isinstance(app.screen, StopConfirm), "it asks")
        holder.communicate()
        await pilot.press("y")
        await wait(pilot, lambda: bool(told(pilot)), "it is told")
        assert told(pilot) == ["maml-sine-1 is not running; c goes on with it"]


async def test_going_on_with_a_run_that_is_not_there_tells_what_the_command_says(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Launch(("resume",), os.getpid(), paths.database.with_name("log"), 0.0, exit_code=2)
    said.log.write_text("Error: no journal of a run 'maml-sine-1'; look\n", encoding="utf-8")
    monkeypatch.setattr(control, "resume", lambda *_: said)
    app = Dashboard(paths)
    async with app.run_test() as pilot:
        resume_run(app, replace(ROW, status="interrupted"))
        await wait(pilot, lambda: len(told(pilot)) == 2, "it is told")
        assert told(pilot)[1] == "no journal of a run 'maml-sine-1'; look"


@pytest.mark.parametrize(("code", "refusals"), [(0, []), (130, []), (143, []), (1, ["no room"])])
async def test_a_run_that_was_asked_to_stop_is_no_failure(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch, code: int, refusals: list[str]
) -> None:
    launch = Launch(("resume",), os.getpid(), paths.database.with_name("log"), 0.0)
    launch.log.write_text("Error: no room\n", encoding="utf-8")
    monkeypatch.setattr(Launch, "run_id", lambda self, paths: "maml-sine-1")
    monkeypatch.setattr(Launch, "poll", lambda self: self.exit_code)
    begun: list[str] = []
    refused: list[str] = []
    async with App[None]().run_test() as pilot:
        watch = LaunchWatch(pilot.app, paths, launch, begun.append, refused.append)
        await watch.look()
        await watch.look()
        assert begun == ["maml-sine-1"]
        launch.exit_code = code
        await watch.look()
        assert begun == ["maml-sine-1"]
        assert refused == refusals


async def test_a_run_with_its_result_is_not_gone_on_with(paths: StorePaths) -> None:
    app = Dashboard(paths)
    async with app.run_test() as pilot:
        resume_run(app, replace(ROW, status="finished"))
        await wait(pilot, lambda: bool(told(pilot)), "it is told")
        assert told(pilot)[0].startswith("maml-sine-1 has its result: it finished;")


async def test_keys_are_answered_while_journals_are_looked_through(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(Launch, "run_id", lambda self, paths: str(gate.wait(30)))
    launch = Launch(("resume",), os.getpid(), paths.database.with_name("log"), 0.0, exit_code=0)
    begun: list[str] = []
    answered: list[bool] = []
    async with App[None]().run_test() as pilot:
        watch = LaunchWatch(pilot.app, paths, launch, begun.append, begun.append)
        await wait(pilot, lambda: watch.looking, "it looks")
        pilot.app.call_later(answered.append, True)
        await wait(pilot, lambda: bool(answered), "the app answers")
        assert not begun
        gate.set()
        await wait(pilot, lambda: begun == ["True"], "it is told")
