"""The store behind the screens: held, damaged, slow or failing, it never blocks a key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from textual.app import ComposeResult
from textual.widgets import Static

from mlbench.errors import StoreError
from mlbench.report.material import Material
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import Snapshot
from mlbench.tui.app import Dashboard
from mlbench.tui.run_list import RunList
from mlbench.tui.view import RETRY_SECONDS, View
from tests.tui.conftest import StillFeed, settled, text_of, until

HELD = "runs.duckdb is in use by /usr/local/bin/duckdb (PID 4711); close it there, and try again"


class Probe(View):
    """Shows what it was told to load."""

    HEADING = "Probe"

    def __init__(self, load: Callable[[Material], str]) -> None:
        super().__init__()
        self.told = load

    def body(self) -> ComposeResult:
        yield Static("nothing yet", id="told")

    def load(self, material: Material) -> str:
        return self.told(material)

    def show(self, loaded: str) -> None:
        self.query_one("#told", Static).update(loaded)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return what a load can wait for."""
    event = threading.Event()
    yield event
    event.set()


def held(gate: threading.Event, loads: list[str]) -> Callable[[Material], str]:
    """Return a load that ends when the gate is opened, and is written down then."""

    def load(_: Material) -> str:
        gate.wait(60)
        loads.append("ended")
        return "loaded"

    return load


async def test_whoever_holds_the_database_is_named_in_full(full_store: StorePaths) -> None:
    damaged = tuple(f"runs/journal/maml-{i}.1.jsonl: line 7 is no JSON" for i in range(3))
    feed = StillFeed(full_store, Snapshot(held=HELD, damaged=damaged))
    app = Dashboard(full_store, feed)
    async with app.run_test(size=(60, 20)) as pilot:
        await settled(pilot)
        for width in (60, 80, 200):
            await pilot.resize_terminal(width, 20)
            await pilot.pause()
            shown = " ".join(text_of(app).split())
            assert HELD in shown
            assert "maml-0.1.jsonl: line 7 is no JSON (and 2 more journals)" in shown


async def test_a_held_database_is_not_asked_until_it_is_free(full_store: StorePaths) -> None:
    asked: list[StorePaths] = []

    def load(material: Material) -> str:
        asked.append(material.paths)
        return f"loaded {len(asked)}"

    app = Dashboard(full_store, StillFeed(full_store, Snapshot(held=HELD, stamp=3)))
    async with app.run_test() as pilot:
        await settled(pilot)
        await app.push_screen(Probe(load))
        await settled(pilot)
        assert "nothing yet" in text_of(app)
        for _ in range(2):
            app.snapshot = Snapshot(stamp=4)
            await settled(pilot)
        assert "loaded 1" in text_of(app)
        assert asked == [full_store]


async def test_a_store_that_cannot_be_followed_says_why_until_it_can(
    full_store: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = StillFeed(full_store, Snapshot())
    reason = "runs.duckdb is no DuckDB database; move it away"

    def poll() -> Snapshot:
        raise StoreError(reason)

    monkeypatch.setattr(feed, "poll", poll)
    app = Dashboard(full_store, feed)
    async with app.run_test() as pilot:
        await until(pilot, lambda: reason in text_of(app))
        monkeypatch.undo()
        await until(pilot, lambda: reason not in text_of(app))
        assert app.polled


@pytest.mark.slow
async def test_keys_are_answered_while_a_load_takes_its_time(
    still: StillFeed, gate: threading.Event
) -> None:
    loads: list[str] = []
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await app.push_screen(Probe(held(gate, loads)))
        await pilot.pause()
        assert isinstance(app.screen, Probe)
        assert app.screen.loading
        await pilot.press("escape", "down", "down", "slash", *"maml", "enter")
        runs = app.screen.query_one(RunList)
        assert {run.algorithm for run in runs.runs} == {"maml", "fo_maml", "sign_maml"}
        assert not loads  # it goes on for as long as nobody opens the gate


async def test_quitting_waits_for_nobody(still: StillFeed, gate: threading.Event) -> None:
    loads: list[str] = []
    app = Dashboard(still.paths, still)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await app.push_screen(Probe(held(gate, loads)))
        await pilot.pause()
        await pilot.press("q")
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not loads
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith("aside")]
    assert waiting
    assert all(thread.daemon for thread in waiting)


async def test_of_two_loads_the_last_is_shown(still: StillFeed, gate: threading.Event) -> None:
    asked: list[int] = []

    def load(material: Material) -> str:
        asked.append(1)
        if len(asked) == 1:
            gate.wait(30)
            return "the first"
        return "the second"

    app = Dashboard(still.paths, still)
    async with app.run_test() as pilot:
        await settled(pilot)
        await app.push_screen(Probe(load))
        await pilot.pause()
        assert isinstance(app.screen, Probe)
        app.screen.reload()
        await settled(pilot)
        gate.set()
        await settled(pilot)
        assert "the second" in text_of(app)


async def test_what_could_not_be_loaded_is_told_and_asked_again_later(
    still: StillFeed,
) -> None:
    asked: list[int] = []

    def load(material: Material) -> str:
        asked.append(1)
        if len(asked) == 1:
            raise StoreError("runs.duckdb was busy")
        return "it is there"

    app = Dashboard(still.paths, still)
    async with app.run_test() as pilot:
        await settled(pilot)
        await app.push_screen(Probe(load))
        await settled(pilot)
        assert "runs.duckdb was busy" in text_of(app)
        app.snapshot = replace(app.snapshot)
        await settled(pilot)
        assert len(asked) == 1
        assert isinstance(app.screen, Probe)
        app.screen.asked_at -= RETRY_SECONDS
        app.snapshot = replace(app.snapshot)
        await settled(pilot)
        assert "it is there" in text_of(app)
        assert "runs.duckdb was busy" not in text_of(app)
