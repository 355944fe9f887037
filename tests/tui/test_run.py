"""The screen of one run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from textual.pilot import Pilot

from mlbench.errors import StoreError
from mlbench.store import run_queries
from mlbench.store.paths import StorePaths
from mlbench.store.queries import run_results
from mlbench.store.run_queries import asking
from mlbench.store.snapshot import RunRow, Snapshot
from mlbench.tui import run_details, run_screen, run_text
from mlbench.tui.app import Dashboard
from mlbench.tui.curve import Curve
from mlbench.tui.run_screen import RunScreen
from tests.tui.conftest import StillFeed, settled, text_of, until


@asynccontextmanager
async def shown(
    feed: StillFeed, run_id: str, width: int = 140, height: int = 50
) -> AsyncIterator[Pilot[Any]]:
    """Show a run."""
    app = Dashboard(feed.paths, feed)
    async with app.run_test(size=(width, height)) as pilot:
        await settled(pilot)
        app.open_run(run_id)
        await settled(pilot)
        assert isinstance(app.screen, RunScreen)
        yield pilot


def one(snapshot: Snapshot, **values: Any) -> RunRow:
    """Return the first run of which some values hold."""
    return next(
        run
        for run in snapshot.runs
        if all(getattr(run, name) == value for name, value in values.items())
    )


async def pass_on(pilot: Pilot[Any], *runs: RunRow) -> None:
    """Let the screen know how runs stand, and load what it asks for."""
    assert isinstance(pilot.app, Dashboard)
    assert isinstance(pilot.app.feed, StillFeed)
    pilot.app.feed.still = replace(pilot.app.snapshot, runs=runs)
    pilot.app.snapshot = pilot.app.feed.still
    await settled(pilot)


async def test_a_finished_run_is_told_in_full(still: StillFeed, snapshot: Snapshot) -> None:
    run = one(snapshot, algorithm="maml", train_dataset="mini", shots=1, status="finished")
    async with shown(still, run.run_id) as pilot:
        text = text_of(pilot.app)
        assert run.run_id in text.splitlines()[0]
        assert "▲ MAML  mini→cub  5-way 1-shot, 16 queries, seed" in text
        assert "✓ finished" in text
        assert "◆" in text  # the best point
        for row in run_results(still.paths, run.run_id).iter_rows(named=True):
            told = f"{100 * row['score']:.1f} ± {100 * row['half_width']:.1f} %"
            (line,) = [line for line in text.splitlines() if told in line]
            assert line.strip().startswith(row["eval_dataset"])
        with asking(still.paths) as connection:
            worst = run_queries.worst_episodes(connection, run.run_id)
        assert all(f"{key:016x}" in text for key in worst["episode_key"])
        for words in (
            "training loss in nats",
            "validation in %",
            "training tasks",
            "mean ± 1.96 standard errors over episodes",
            "train_steps",
            "learner.channels",
            "mlbench run maml --train mini",
            "nimbus, Linux, process 4711",
            "validation on mini",
            "test on cub",
        ):
            assert words in text, words
        assert "torch" not in text
        await pilot.press("p")
        await pilot.pause()
        assert "2.15.0" in text_of(pilot.app)
        await pilot.press("p")
        await pilot.pause()
        assert "2.15.0" not in text_of(pilot.app)


async def test_the_curves_are_those_of_the_database(still: StillFeed, snapshot: Snapshot) -> None:
    run = one(snapshot, train_dataset="sine", algorithm="maml")
    async with shown(still, run.run_id) as pilot:
        with asking(still.paths) as connection:
            curve = run_queries.run_curve(connection, run.run_id)
        loss = pilot.app.screen.query_one("#loss", Curve).drawing
        score = pilot.app.screen.query_one("#score", Curve).drawing
        assert loss is not None
        assert score is not None
        train = curve.filter(pl.col("phase") == "train")
        validation = curve.filter(pl.col("phase") == "validation")
        assert list(zip(loss.x, loss.y, strict=True)) == train.select("tasks", "loss").rows()
        assert (
            list(zip(score.x, score.y, strict=True)) == validation.select("tasks", "score").rows()
        )
        best = validation.filter(pl.col("best"))[-1]
        assert score.best == best.select("tasks", "score").rows()[0]
        assert "MSE" in text_of(pilot.app)


async def test_why_a_run_failed_is_told_in_full(still: StillFeed, snapshot: Snapshot) -> None:
    reason = "the loss of task 37 has no gradient; " + "lower inner_lr, or raise it, " * 8 + "."
    run = replace(one(snapshot, status="failed"), error=reason)
    still.still = Snapshot(runs=(run,))
    async with shown(still, run.run_id, 80, 40) as pilot:
        assert " ".join(reason.split()) in " ".join(text_of(pilot.app).split())


async def test_a_run_that_goes_on_grows_before_the_database_knows(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = run_details.with_new_curve

    def count(paths: StorePaths, run_id: str, known: Any) -> Any:
        loads.append(run_id)
        return real(paths, run_id, known)

    monkeypatch.setattr(run_screen, "with_new_curve", count)
    monkeypatch.setattr(run_screen, "GROW_SECONDS", -1.0)
    first = replace(alive, run_id="not-known-yet", validation=None, tasks_trained=0)
    still.still = Snapshot(runs=(first,))
    async with shown(still, first.run_id) as pilot:
        curve = pilot.app.screen.query_one("#score", Curve)
        assert curve.drawing is not None
        assert not curve.drawing.x
        await pass_on(pilot, replace(first, validation=0.3, best=0.3, tasks_trained=100))
        await pass_on(pilot, replace(first, validation=0.4, best=0.4, tasks_trained=200))
        assert curve.drawing.x == (100.0, 200.0)
        assert curve.drawing.y == (30.0, 40.0)
        assert curve.drawing.best == (200.0, 40.0)
        assert len(loads) == 2
        await pass_on(pilot, replace(first, validation=0.4, best=0.4, tasks_trained=200))
        assert len(loads) == 2
        assert "12.5 tasks/s" in text_of(pilot.app)
        assert "4 min left" in text_of(pilot.app)


async def test_a_run_whose_database_is_held_is_shown_from_its_journal(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(paths: StorePaths, run_id: str) -> Any:
        raise StoreError("runs.duckdb is in use by duckdb (PID 7)")

    monkeypatch.setattr(run_screen, "load_details", busy)
    still.still = Snapshot(runs=(alive,), held="runs.duckdb is in use by duckdb (PID 7)")
    async with shown(still, alive.run_id, 80, 24) as pilot:
        text = text_of(pilot.app)
        assert "▶ running" in text
        assert "42 %" in text
        assert "in use by duckdb (PID 7)" in text


async def test_x_and_c_stop_and_resume_what_can_be(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mlbench.tui.stop_screen.ask_stop", lambda app, run: asked.append("stop"))
    monkeypatch.setattr("mlbench.tui.launches.resume_run", lambda app, run: asked.append("go on"))
    still.still = Snapshot(runs=(alive,))
    async with shown(still, alive.run_id) as pilot:
        assert isinstance(pilot.app.screen, RunScreen)
        await pilot.press("x", "c")
        assert asked == ["stop"]
        assert "x Stop" in text_of(pilot.app)
        await pass_on(pilot, replace(alive, status="interrupted"))
        await pilot.press("x", "c")
        assert asked == ["stop", "go on"]
        assert "c Resume" in text_of(pilot.app)
        await pass_on(pilot, replace(alive, status="finished"))
        await pilot.press("x", "c")
        assert asked == ["stop", "go on"]


@pytest.mark.slow
async def test_a_narrow_terminal_shows_all_by_scrolling_and_e_writes_it(
    still: StillFeed, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Path, str]] = []

    def write(folder: Path, material: object, run_id: str) -> list[Path]:
        written.append((folder, run_id))
        return []

    monkeypatch.setattr("mlbench.tui.export.export_run", write)
    monkeypatch.chdir(tmp_path)
    run = one(snapshot, algorithm="maml", status="finished")
    async with shown(still, run.run_id, 60, 15) as pilot:
        assert "MAML" in text_of(pilot.app)
        assert "process 4711" not in text_of(pilot.app)
        await pilot.press("end")
        await pilot.app.animator.wait_until_complete()
        await pilot.pause()
        assert "process 4711" in text_of(pilot.app)
        await pilot.press("e")
        await settled(pilot)
        assert written == [(tmp_path, run.run_id)]


@pytest.mark.slow
async def test_a_light_theme_draws_the_same_again(still: StillFeed, snapshot: Snapshot) -> None:
    run = one(snapshot, algorithm="maml", status="finished")
    async with shown(still, run.run_id, 100, 30) as pilot:
        await until(pilot, lambda: "palette" in text_of(pilot.app))  # the keys are drawn last
        dark = text_of(pilot.app)
        await pilot.press("d")
        await settled(pilot)
        assert text_of(pilot.app) == dark


@pytest.mark.slow
async def test_of_a_run_that_is_gone_on_with_everything_is_asked_again(
    still: StillFeed, alive: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    for name in ("load_details", "with_new_curve"):
        real = getattr(run_details, name)

        def count(*asked: Any, name: str = name, real: Any = real) -> Any:
            loads.append(name)
            return real(*asked)

        monkeypatch.setattr(run_screen, name, count)
    monkeypatch.setattr(run_screen, "GROW_SECONDS", -1.0)
    first = replace(alive, status="interrupted", tasks_trained=300)
    still.still = Snapshot(runs=(first,))
    async with shown(still, first.run_id) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, RunScreen)
        screen.heard = {300: 0.9}  # of what came after the state that it goes on from
        again = replace(alive, attempts=2, tasks_trained=200, validation=0.4)
        await pass_on(pilot, again)
        await pass_on(pilot, replace(again, tasks_trained=210, phase_done=210))
        assert loads == ["load_details", "load_details", "with_new_curve"]
        assert screen.heard == {200: 0.4}


def test_a_machine_of_which_little_is_known_is_told_as_far_as_it_is(
    full_store: StorePaths, snapshot: Snapshot
) -> None:
    run = one(snapshot, algorithm="maml", status="finished")
    known = run_details.load_details(full_store, run.run_id)
    names = ("cpu", "cores", "memory_bytes", "gpu", "threads", "engine", "git_commit", "git_dirty")
    unknown = known.provenance.with_columns(pl.lit(None).alias(name) for name in names)
    told = run_text.provenance(replace(known, provenance=unknown), run, packages=False).plain
    lines = [line.split() for line in told.splitlines()]
    assert ["cpu", "unknown"] in lines
    assert ["device", "cpu"] in lines
