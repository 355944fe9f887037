"""The screen *Compare*, key by key, against the paired statistics."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from mlbench.report.material import Material
from mlbench.report.palette import look
from mlbench.stats.paired import comparisons
from mlbench.store.paths import StorePaths
from mlbench.tui.compare_screen import CompareScreen
from mlbench.tui.pair_panel import (
    Pair,
    PairPanel,
    drawing_width,
    histogram,
    interval_bar,
    measured,
    p_text,
    wins,
)
from mlbench.tui.pairs import comparable, pairs_of
from mlbench.tui.table_grid import signed
from tests.gallery import fill, images, sine
from tests.tui.conftest import text_of
from tests.tui.going import cells, opened, press, said

pytestmark = pytest.mark.slow


def screen_of(pilot: Pilot[Any]) -> CompareScreen:
    assert isinstance(pilot.app.screen, CompareScreen)
    return pilot.app.screen


def expected(paths: StorePaths, **field: Any) -> pl.DataFrame:
    material = Material(paths)
    frame = comparisons(material.counted, material.test_episodes, material.hyperparameters)
    return frame.filter(protocol="corrected", **field)


async def test_all_pairs_are_those_of_the_statistics(full_store: StorePaths) -> None:
    mini = expected(full_store, train_dataset="mini", eval_dataset="mini", shots=5)
    by_names = {frozenset((row["first"], row["second"])): row for row in mini.to_dicts()}
    async with opened(full_store, CompareScreen, (120, 40)) as pilot:
        await press(pilot, "t")
        rows = screen_of(pilot).rows.to_dicts()
        assert len(rows) == len(by_names) == 10
        for row, texts in zip(rows, cells(pilot, "#pairs"), strict=True):
            theirs = by_names[frozenset((row["first"], row["second"]))]
            sign = 1 if theirs["first"] == row["first"] else -1
            assert row["difference"] == sign * theirs["difference"]
            assert row["p_holm"] == theirs["p_holm"]
            assert texts[0].endswith(look(row["first"]).label)
            assert texts[1].endswith(look(row["second"]).label)
            assert texts[2] == signed(row["difference"], "classification")
            assert texts[5:7] == [str(row["wins"]), str(row["losses"])]
        assert [row["first"] for row in rows] == ["finetuning"] * 4 + ["lstm"] * 3 + [
            "fo_maml",
            "fo_maml",
            "maml",
        ]


async def test_choosing_first_and_second_leaves_one_pair(full_store: StorePaths) -> None:
    async with opened(full_store, CompareScreen, (80, 24)) as pilot:
        await press(pilot, "F")
        rows = screen_of(pilot).rows
        assert rows["first"].unique().to_list() == ["sign_maml"]
        before = rows.filter(second="maml").to_dicts()[0]
        await press(pilot, "f", "s", "s")
        assert screen_of(pilot).rows["second"].unique().to_list() == ["lstm"]
        await press(pilot, "f", "f", "f")
        assert screen_of(pilot).rows.select("first", "second").rows() == [("fo_maml", "lstm")]
        text = text_of(pilot.app)
        assert "FO-MAML − ◇ meta-learner LSTM" in text
        row = screen_of(pilot).rows.to_dicts()[0]
        assert f"won {row['wins']} " in text
        assert f"lost {row['losses']}, equal {row['ties']}" in text
        assert f"95 % interval {signed(row['low'], 'classification')} to" in text
        await press(pilot, "x")
        after = screen_of(pilot).rows.to_dicts()[0]
        assert (after["first"], after["difference"]) == ("lstm", -row["difference"])
        assert before["first"] == "sign_maml"


async def test_o_sorts_and_the_cursor_stays_on_its_pair(full_store: StorePaths) -> None:
    async with opened(full_store, CompareScreen, (120, 40)) as pilot:
        await press(pilot, "t", "down", "down")
        pair = screen_of(pilot).pair_under_cursor()
        await press(pilot, "o")
        sizes = [abs(value) for value in screen_of(pilot).rows["difference"]]
        assert sizes == sorted(sizes, reverse=True)
        assert screen_of(pilot).pair_under_cursor() == pair
        await press(pilot, "o")
        tests = screen_of(pilot).rows["p_value"].to_list()
        assert tests == sorted(tests)
        assert screen_of(pilot).pair_under_cursor() == pair


async def test_the_drawn_episodes_have_the_difference_as_their_mean(full_store: StorePaths) -> None:
    async with opened(full_store, CompareScreen, (100, 30)) as pilot:
        await press(pilot, "t")
        pair = screen_of(pilot).query_one(PairPanel).pair
        assert pair is not None
        assert len(pair.differences) == pair.row["episodes"] == 60
        assert math.fsum(pair.differences) / 60 == pytest.approx(pair.row["difference"])
        assert sum(value > 0 for value in pair.differences) == pair.row["wins"]
        await press(pilot, "down")
        other = screen_of(pilot).query_one(PairPanel).pair
        assert other is not None
        assert other.row["second"] != pair.row["second"]


async def test_lower_is_better_in_regression_and_sixty_columns_are_enough(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, sine(2, steps=(1,), layers=(5,)))
    async with opened(paths, CompareScreen, (60, 15)) as pilot:
        rows = screen_of(pilot).rows.to_dicts()
        assert len(rows) == 10
        far = [row for row in rows if abs(row["difference"]) > 0.2]
        assert far
        for row in far:
            assert (row["wins"] > row["losses"]) == (row["difference"] < 0)
        assert "difference of MSE" in text_of(pilot.app)
        assert screen_of(pilot).query_one("#pairs", DataTable).region.height >= 3


async def test_columns_stay_as_wide_as_their_cells_when_the_terminal_is_resized(
    full_store: StorePaths,
) -> None:
    async with opened(full_store, CompareScreen, (140, 40)) as pilot:
        await press(pilot, "t")
        await pilot.resize_terminal(64, 16)
        await pilot.resize_terminal(80, 24)
        screen_of(pilot).list_pairs()
        screen_of(pilot).list_pairs()
        await pilot.pause()
        assert re.search("□ Finetuning +◇ meta-learner LSTM +[+−]0", text_of(pilot.app))
        for key in ("first", "second"):
            assert screen_of(pilot).chooser(key).offered[0][1] == "any"


async def test_one_technique_alone_is_compared_to_nothing(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, images(1, ("maml",), (1,)))
    async with opened(paths, CompareScreen, (80, 24)) as pilot:
        assert "it takes two techniques" in text_of(pilot.app)
        await press(pilot, "t", "f", "x", "o")
        assert cells(pilot, "#pairs") == []


async def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    ours, theirs = images(1, ("maml", "turtle"), (1,))[:2]
    fill(paths, [ours, replace(theirs, seed=7)])
    async with opened(paths, CompareScreen, (80, 24)) as pilot:
        assert cells(pilot, "#pairs") == [["▲ MAML", "● TURTLE", "-", "-", "-"]]
        assert "no seed or no episode in common" in text_of(pilot.app)
        assert "5-way" in said(pilot, "#conditions")


def test_a_field_needs_two_competitors(full_store: StorePaths) -> None:
    material = Material(full_store)
    fields = comparable(material)
    assert all(field.values["protocol"] == "corrected" for field in fields.values())
    first = next(iter(fields.values()))
    assert (first.values["train_dataset"], first.values["shots"]) == ("mini", 1)
    assert len(pairs_of(material, first).names) > 2


def pair_of(**values: Any) -> Pair:
    row = {
        "first": "maml",
        "first_settings": "",
        "second": "turtle",
        "second_settings": "",
        "kind": "classification",
        "runs": 5,
        "episodes": 4,
        "nan_episodes": 0,
        "difference": 0.02,
        "low": -0.01,
        "high": 0.05,
        "wins": 2,
        "losses": 1,
        "ties": 1,
        "p_value": 0.04,
        "p_holm": 0.12,
    }
    return Pair(row | values, [0.1, -0.1, 0.08, 0.0], 3)


def test_the_bar_is_to_scale_around_zero() -> None:
    bar, axis = interval_bar(pair_of(), 101)
    assert bar.plain[50] == "╋"
    assert bar.plain.index("┣") == 50 - round(0.01 / 0.055 * 50)
    assert bar.plain.index("┫") == 50 + round(0.05 / 0.055 * 50)
    assert bar.plain.index("●") == 50 + round(0.02 / 0.055 * 50)
    assert axis.plain.startswith("−0.055")
    assert axis.plain.endswith("+0.055")
    assert axis.plain[50] == "0"
    assert axis.plain.index("TURTLE better") < 50 < axis.plain.index("MAML better →")


def test_each_side_of_zero_has_the_colour_of_whoever_is_better_there() -> None:
    ours, theirs = look("maml").colour, look("turtle").colour
    assert pair_of().colours == (theirs, ours)
    assert pair_of(kind="regression").colours == (ours, theirs)


def test_in_regression_the_first_is_better_on_the_left() -> None:
    axis = interval_bar(pair_of(kind="regression"), 101)[1].plain
    assert axis.index("← MAML better") < 50 < axis.index("TURTLE better →")


def test_wins_fill_their_share_of_the_bar() -> None:
    text = wins(pair_of(), 60).plain
    assert text.startswith("won 2 ██")
    assert text.endswith(" lost 1, equal 1")
    assert text.count("█") == pytest.approx(2 * text.count("▓"), abs=1)
    assert text.count("░") == pytest.approx(text.count("▓"), abs=1)


def test_the_distribution_counts_every_episode() -> None:
    lines = [line.plain for line in histogram(pair_of(), 41, 2)]
    assert "4 episodes" in lines[0]
    assert lines[2][0] == lines[2][20] == lines[2][40] == "█"
    assert histogram(replace(pair_of(), differences=[math.nan]), 41, 2) == []
    assert "All episodes are equal." in histogram(replace(pair_of(), differences=[0.0]), 41, 2)[0]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"difference": None, "low": None, "nan_episodes": 3}, "3 of 4 episodes"),
        ({"difference": None, "low": None, "episodes": 0}, "no seed or no episode in common"),
        ({"low": None, "high": None}, "too little for an interval"),
        ({"low": 0.01}, "excludes 0"),
        ({}, "includes 0"),
        ({"p_value": None, "p_holm": None}, "a score is not finite"),
    ],
)
def test_what_is_not_known_is_said(values: dict[str, Any], text: str) -> None:
    assert any(text in line.plain for line in measured(pair_of(**values), 100))


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.00004, "< 0.0001"), (0.0312, "= 0.031"), (0.456, "= 0.46"), (None, "unknown")],
)
def test_p_values_have_two_digits(p: float | None, text: str) -> None:
    assert p_text(p) == text


def test_zero_has_a_column_of_its_own() -> None:
    assert {drawing_width(width) % 2 for width in range(20, 200)} == {1}
