"""The dashboard in a real terminal, beside a run that goes on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlbench.store.journal import list_journals
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import Started
from mlbench.store.states import last_status
from tests.tui.test_control import LONG, until

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="there is no tmux here; install it to run this test"
)
MLBENCH = (sys.executable, "-P", "-m", "mlbench")
LOOK_SECONDS = 0.3
PATIENCE = 90.0  # seconds; a shared machine takes some to import torch beside others
COLOUR = re.compile(r"\b[34]8;5;(\d+)")
GREYS = {*range(232, 256), 16, 59, 102, 145, 188, 231}  # of a terminal's 256 colours


class Terminal:
    """A tmux server of its own, with one window."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self.name, "-u", "-f", "/dev/null", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def open(self, command: tuple[str, ...], **environment: str) -> int:
        """Run a command in a new session of 80x24; return its PID."""
        settings = [part for item in environment.items() for part in ("-e", "=".join(item))]
        size = ("-x", "80", "-y", "24")
        self.tmux("new-session", "-d", *size, *settings, "-P", "-F", "#{pane_pid}", *command)
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def screen(self, *, codes: bool = False) -> str:
        return self.tmux("capture-pane", "-p", *(["-e"] if codes else []))

    def shows(self, pattern: str) -> None:
        """Wait until the screen shows something."""
        seen = ""

        def shown() -> bool:
            nonlocal seen
            seen = self.screen()
            return re.search(pattern, seen) is not None

        try:
            until(shown, f"/{pattern}/ is shown", PATIENCE, every=LOOK_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is\n{seen}") from None

    def close(self) -> None:
        """Kill all of it; harmless when it is gone."""
        command = ["tmux", "-L", self.name, "kill-server"]
        subprocess.run(command, capture_output=True, timeout=30, check=False)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(f"mlbench-{os.getpid()}", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of many minutes, which writes to ``runs.duckdb``."""
    command = [*MLBENCH, "run", *LONG, "--db", "runs.duckdb"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    with process:
        yield process
        process.kill()
    paths = StorePaths(tmp_path / "runs.duckdb")
    for lock in paths.locks.iterdir():  # of a run that was gone on with, if the test failed
        pid = lock.read_text(encoding="ascii").strip()
        if lock == paths.run_lock(lock.stem) and is_alive(paths, lock.stem) and pid:
            os.kill(int(pid), signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def stopped_and_gone_on_with(
    terminal: Terminal, paths: StorePaths, running: subprocess.Popen[bytes]
) -> Started:
    """Stop the run and go on with it, by keys; return how its second attempt started."""
    terminal.press("x")
    terminal.shows("Stop maml-")
    terminal.press("y")
    terminal.shows("1 interrupted")
    assert running.wait(PATIENCE) == 143
    terminal.press("c")
    terminal.shows("1 running")
    attempts = list_journals(paths)
    assert [journal.attempt for journal in attempts] == [1, 2]
    second = attempts[1].first()
    assert second is not None
    assert second.position > 0
    pid = second.provenance["pid"]
    assert os.getsid(pid) == pid
    return second


@pytest.mark.slow
def test_the_dashboard_lives_and_dies_in_a_real_terminal_beside_a_real_run(
    tmp_path: Path, terminal: Terminal, running: subprocess.Popen[bytes]
) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    tui = (*MLBENCH, "tui", "--db", "runs.duckdb")
    pid = terminal.open(tui)

    terminal.shows(r"(?s)MAML +sine +5 +0 .* \d+ %.* of 100,000 .*1 running")  # it gets on
    assert all(len(line) <= 80 for line in terminal.screen().splitlines())

    terminal.press("2")
    terminal.shows("Statistic")
    terminal.press("3")
    terminal.shows("Ratios")
    terminal.press("4")
    terminal.shows("Second")
    terminal.press("1")
    terminal.shows(r"MAML +sine")
    terminal.press("/")
    terminal.shows(r"(?s)technique, data.*\n/ Filter  ")  # the line has the focus
    terminal.press("-l", "no such run")
    terminal.shows("no such run")
    terminal.press("Escape")  # and no key before it took effect: Escape and ? are Alt-?
    terminal.shows(r"(?s)MAML +sine.*⏎ Open")
    terminal.press("?")
    terminal.shows("Everywhere")
    terminal.press("Escape")
    terminal.shows(r"(?s)\A(?!.*Everywhere)")

    for width, height in ((120, 40), (60, 15), (80, 24)):
        terminal.tmux("resize-window", "-x", str(width), "-y", str(height))
        terminal.shows(rf"(?ms)MAML +sine.*^─{{{width}}}$.*running")  # drawn anew, edge to edge
        assert all(len(line) <= width for line in terminal.screen().splitlines())

    without = Terminal(f"{terminal.name}-plain", tmp_path)
    try:
        plain = without.open(tui, NO_COLOR="1")
        without.shows(r"MAML +sine +5 +0 .*\d+ %")
        colours = {int(number) for number in COLOUR.findall(without.screen(codes=True))}
        assert colours <= GREYS, f"NO_COLOR is set, and there are {colours - GREYS}"
    finally:
        without.close()
    until(lambda: not alive(plain), "the dashboard died with its terminal", PATIENCE)

    second = stopped_and_gone_on_with(terminal, paths, running)

    assert alive(pid)
    before = sum(journal.path.stat().st_size for journal in list_journals(paths))
    terminal.tmux("kill-session")
    until(lambda: not alive(pid), "the dashboard died with its terminal", PATIENCE)
    until(
        lambda: sum(j.path.stat().st_size for j in list_journals(paths)) > before,
        "the run goes on",
        PATIENCE,
    )
    os.kill(second.provenance["pid"], signal.SIGTERM)
    until(lambda: not is_alive(paths, second.run_id), "the run stopped", PATIENCE)
    state = last_status(paths, second.run_id)
    assert state is not None
    assert state.status == "interrupted"
