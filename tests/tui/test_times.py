"""The screen *Times*, key by key, against the statistics that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from textual.geometry import Region
from textual.pilot import Pilot

from mlbench.report.material import Material
from mlbench.report.palette import in_order, look
from mlbench.stats.time_ratios import invert, time_ratios
from mlbench.stats.times import summarise_times
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import Snapshot
from mlbench.tui.results_view import nothing_yet
from mlbench.tui.table_grid import number
from mlbench.tui.times_plot import TimesPlot, covered, free_place
from mlbench.tui.times_screen import TimesScreen
from mlbench.tui.times_table import differ_in_order, in_unit, unit_of
from tests.gallery import fill, images, sine
from tests.tui.conftest import text_of
from tests.tui.going import cells, opened, press, said

pytestmark = pytest.mark.slow


def screen_of(pilot: Pilot[Any]) -> TimesScreen:
    assert isinstance(pilot.app.screen, TimesScreen)
    return pilot.app.screen


def frames(paths: StorePaths) -> tuple[pl.DataFrame, pl.DataFrame]:
    material = Material(paths)
    asked = material.times, material.results, material.hyperparameters
    return summarise_times(*asked), invert(time_ratios(*asked))


async def test_times_and_scores_are_those_of_the_statistics(full_store: StorePaths) -> None:
    summary, ratios = frames(full_store)
    chosen = summary.filter(
        pl.col("protocol") == "corrected", train_dataset="mini", shots=1, kind="classification"
    )
    rows = sorted(
        chosen.to_dicts(), key=lambda row: in_order(chosen["algorithm"]).index(row["algorithm"])
    )
    async with opened(full_store, TimesScreen, (140, 40)) as pilot:
        assert screen_of(pilot).chooser("shown").offered[0][0].startswith("1/6  mini, 5-way 1-shot")
        seen = cells(pilot, "#rows")
        assert len(seen) == len(rows)
        unit = unit_of([row["seconds"] for row in rows])
        for row, texts in zip(rows, seen, strict=True):
            name, runs, time, ends, score, interval, *phases = texts
            assert look(row["algorithm"]).label in name
            assert runs.split()[0] == str(row["runs"])
            assert time == in_unit(row["seconds"], unit)
            assert phases[0] == in_unit(row["train_seconds"], unit)
            assert score == number(row["score"], "classification")
            if row["low"] is None:
                assert interval == "-"
            else:
                assert number(row["low"], "classification") in interval
            assert (ends == "-") == (row["seconds_low"] is None)
        (pair,) = ratios.filter(
            pl.col("protocol") == "corrected",
            first="maml",
            second="fo_maml",
            train_dataset="mini",
            shots=1,
        ).to_dicts()
        assert f"MAML/FO-MAML {pair['ratio']:.2f}" in said(pilot, "#orders")
        await press(pilot, "r")
        listed = [row for row in cells(pilot, "#rows") if " MAML" in row[0] and "FO-MAML" in row[1]]
        assert [row[2] for row in listed] == [f"{pair['ratio']:.2f}"]


async def test_points_and_their_names_are_in_the_plot(full_store: StorePaths) -> None:
    async with opened(full_store, TimesScreen, (100, 30)) as pilot:
        plot = screen_of(pilot).query_one(TimesPlot)
        text = text_of(pilot.app)
        for point in plot.points:
            assert point.glyph in text
        drawn = "\n".join(text.splitlines()[plot.region.y : plot.region.bottom])
        assert "Finetuning" in drawn
        assert "meta-learner LSTM" in drawn
        await press(pilot, "T")
        assert "sine" in str(screen_of(pilot).chooser("shown").chosen)
        assert "Mean squared error (up)" in said(pilot, "#conditions")


async def test_one_run_has_no_interval_and_fits_on_sixty_columns(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, images(1, ("maml", "turtle", "mine"), (1,)))
    async with opened(paths, TimesScreen, (60, 15)) as pilot:
        for row in cells(pilot, "#rows"):
            assert (row[1], row[3], row[5]) == ("1", "-", "-")
        assert "MAML" in text_of(pilot.app)
        await press(pilot, "T", "r", "r")
        assert len(cells(pilot, "#rows")) == 3


async def test_nothing_is_there_before_a_run_has_ended(empty_store: StorePaths) -> None:
    async with opened(empty_store, TimesScreen, (80, 24)) as pilot:
        assert "mlbench run maml --train sine --budget smoke" in text_of(pilot.app)
        await press(pilot, "t", "r")
        assert cells(pilot, "#rows") == []


async def test_rows_of_one_technique_are_told_apart_by_number(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, sine(1, steps=(1, 5), layers=(0, 5)))
    async with opened(paths, TimesScreen, (120, 40)) as pilot:
        rows = cells(pilot, "#rows")
        assert [row[0] for row in rows] == [str(place) for place in range(1, len(rows) + 1)]
        names = {point.name for point in screen_of(pilot).query_one(TimesPlot).points}
        assert names == {row[0] for row in rows}
        orders = said(pilot, "#orders")
        assert orders.count(" TURTLE") == orders.count("/FO-TURTLE") == 4


def test_what_to_do_in_an_empty_store_depends_on_its_runs() -> None:
    paths = StorePaths(Path("mine.duckdb"))
    assert "mlbench run maml" in nothing_yet(Snapshot(), paths)
    assert "--db mine.duckdb" in nothing_yet(Snapshot(), paths)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("fo_maml", ""), ("maml", ""), True),
        (("lstm", ""), ("lstm_enhanced", ""), True),
        (("fo_maml", ""), ("turtle", ""), False),
        (("turtle", "hidden=[20, 20], order=1"), ("turtle", "hidden=[20, 20], order=2"), True),
        (("turtle", "hidden=[20, 20], order=1"), ("turtle", "hidden=[20], order=2"), False),
        (
            ("fo_turtle", "hidden=[20, 20], order=1"),
            ("turtle", "hidden=[20, 20, 20], order=2"),
            False,
        ),
    ],
)
def test_orders_are_compared_of_what_is_the_same_besides(
    first: tuple[str, str], second: tuple[str, str], same: bool
) -> None:
    row = {
        "first": first[0],
        "first_settings": first[1],
        "second": second[0],
        "second_settings": second[1],
    }
    assert differ_in_order(row) is same


def test_a_name_hides_no_point_and_stays_inside() -> None:
    inside = Region(1, 1, 20, 5)
    assert free_place("MAML", 5, 3, inside, set(), set()) == (7, 3)
    beside = covered("MAML", 7, 3)
    assert free_place("MAML", 5, 3, inside, beside, set()) != (7, 3)
    for x in range(1, 21):
        for y in range(1, 6):
            left, row = free_place("MAML", x, y, inside, {(x, y)}, set()) or (9, 3)
            assert inside.contains_region(Region(left, row, 4, 1))
    assert free_place("a long name that is too long", 5, 3, inside, set(), set()) is None


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [(7300.0, "hours"), (7100.0, "minutes"), (119.0, "seconds"), (None, "seconds")],
)
def test_times_are_in_the_unit_that_reads_best(seconds: float | None, unit: str) -> None:
    assert unit_of([None, 1.0, seconds])[1] == unit
