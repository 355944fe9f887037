"""The screen *Tables*, key by key, against the tables that every other form is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from mlbench.report.material import Material
from mlbench.report.palette import LOOKS, look
from mlbench.report.tables.model import Cell, Column, Row, Table
from mlbench.report.tables.shape import tables
from mlbench.store.paths import StorePaths
from mlbench.tui.table_grid import grid, number
from mlbench.tui.table_words import cell_sentence
from mlbench.tui.tables_screen import TablesScreen
from tests.gallery import fill, images, sine
from tests.tui.conftest import settled, text_of
from tests.tui.going import cells, opened, press, said

WIDE = (180, 30)


def screen_of(pilot: Pilot[Any]) -> TablesScreen:
    assert isinstance(pilot.app.screen, TablesScreen)
    return pilot.app.screen


def expected(cell: Cell | None, table: Table) -> list[str]:
    if cell is None:
        return []
    ends = [number(end, table.kind) for end in (cell.low, cell.high)]
    interval = f"{cell.runs} run" if cell.low is None else "–".join(ends)
    return [number(cell.score, table.kind), interval]


async def test_every_cell_is_that_of_the_table(full_store: StorePaths) -> None:
    shown = tables(Material(full_store))
    assert len(shown) > 2
    async with opened(full_store, TablesScreen, WIDE) as pilot:
        for table in shown:
            rows = cells(pilot, "#cells")
            assert [row[0].split("  ")[0][2:] for row in rows] == [
                look(row.algorithm).label for row in table.rows
            ]
            for row, texts in zip(table.rows, rows, strict=True):
                for cell, text in zip(row.cells, texts[1:], strict=True):
                    for part in expected(cell, table):
                        assert part in text
                    assert ("★" in text) == bool(cell and cell.best)
                    assert ("≈" in text) == bool(cell and cell.tied)
            assert table.conditions in said(pilot, "#conditions")
            for note in (*table.notes, *table.remarks):
                assert note in said(pilot, "#remarks")
            await press(pilot, "t")
        assert screen_of(pilot).chooser("shown").chosen.startswith(shown[0].title)  # type: ignore[union-attr]


async def test_p_puts_the_printed_numbers_beside(full_store: StorePaths) -> None:
    table = tables(Material(full_store), paper=True)[0]
    row = next(place for place, row in enumerate(table.rows) if row.algorithm == "maml")
    cell = table.rows[row].cells[0]
    assert cell is not None
    assert cell.printed is not None
    assert cell.difference is not None
    async with opened(full_store, TablesScreen, WIDE) as pilot:
        plain = cells(pilot, "#cells")[row][1]
        await press(pilot, "p")
        beside = cells(pilot, "#cells")[row][1]
        difference = f"{cell.difference:+.3f}".replace("-", "−").replace("+0.000", "±0.000")
        assert beside == f"{plain}  {cell.printed.score:.2f} {difference}"
        await press(pilot, "p")
        assert cells(pilot, "#cells")[row][1] == plain


@pytest.mark.slow
async def test_m_shows_another_statistic(full_store: StorePaths) -> None:
    table = tables(Material(full_store, statistic="mean"))[0]
    async with opened(full_store, TablesScreen, WIDE) as pilot:
        await press(pilot, "m", "m")
        assert screen_of(pilot).statistic == "mean"
        assert "mean over runs" in said(pilot, "#conditions")
        for row, texts in zip(table.rows, cells(pilot, "#cells"), strict=True):
            for cell, text in zip(row.cells, texts[1:], strict=True):
                assert all(part in text for part in expected(cell, table))
        await press(pilot, "M", "M")
        assert screen_of(pilot).statistic is None


async def test_enter_shows_the_query_and_the_runs_of_a_cell(full_store: StorePaths) -> None:
    cell = tables(Material(full_store))[0].rows[0].cells[1]
    assert cell is not None
    async with opened(full_store, TablesScreen, (100, 40)) as pilot:
        assert said(pilot, "#told").startswith("Finetuning, mini 5-way 1-shot: 0.")
        await press(pilot, "right")
        assert said(pilot, "#told").startswith("Finetuning, mini 5-way 5-shot: 0.")
        assert said(pilot, "#told").endswith("of 2 runs")
        await press(pilot, "enter")
        runs = cells(pilot, "#runs")
        assert len(runs) == cell.runs == 2
        assert said(pilot, "#query") == cell.query
        scores = sorted(float(row[-1]) for row in runs)
        assert cell.score == pytest.approx(sum(scores) / 2)
        assert runs[0][0] in text_of(pilot.app)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, TablesScreen)


async def test_an_empty_store_says_what_to_type(empty_store: StorePaths) -> None:
    async with opened(empty_store, TablesScreen, (80, 24)) as pilot:
        assert "mlbench run maml --train sine --budget smoke" in text_of(pilot.app)
        await press(pilot, "t", "m", "p", "enter")
        assert isinstance(pilot.app.screen, TablesScreen)


@pytest.mark.slow
async def test_runs_of_another_protocol_have_a_table_of_their_own(full_store: StorePaths) -> None:
    async with opened(full_store, TablesScreen, WIDE) as pilot:
        released = [key for key in screen_of(pilot).tables if "released protocol" in key]
        assert len(released) == 2
        screen_of(pilot).chooser("shown").value = released[0]
        await settled(pilot)
        assert said(pilot, "#told").endswith("too few for an interval")
        assert cells(pilot, "#cells")[0][1].endswith("1 run")


@pytest.mark.slow
async def test_seventeen_techniques_scroll_under_a_fixed_heading(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    runs = images(1, [*LOOKS], (1, 5), test_tasks=2, train_tasks=100, validation_tasks=1)
    fill(paths, [replace(run, eval_datasets=("cub", "mini")) for run in runs])
    async with opened(paths, TablesScreen, (80, 24)) as pilot:
        await press(pilot, "ctrl+end", "end")
        text = text_of(pilot.app)
        assert "R2-D2" in text
        assert "TrainFromScratch" not in text
        assert "1-shot" in text
        table = pilot.app.screen.query_one("#cells", DataTable)
        assert table.row_count == len(LOOKS) == 17
        assert screen_of(pilot).place() == (16, 3)


@pytest.mark.slow
async def test_sixty_columns_and_fifteen_lines_are_enough(full_store: StorePaths) -> None:
    async with opened(full_store, TablesScreen, (60, 15)) as pilot:
        text = text_of(pilot.app)
        assert "mini" in text
        assert "Finetuning" in text
        await press(pilot, "ctrl+end", "right", "right", "right")
        cell = screen_of(pilot).cell_at(screen_of(pilot).place() or (0, 0))
        assert cell is not None or "no run" in said(pilot, "#told")


@pytest.mark.slow
async def test_regression_alone_is_in_digits(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, sine(2, steps=(1,), layers=(0, 5)))
    (table,) = tables(Material(paths))
    async with opened(paths, TablesScreen, WIDE) as pilot:
        texts = [row[1] for row in cells(pilot, "#cells")]
        assert [text.split()[0] for text in texts] == [
            number(row.cells[0].score, "regression") for row in table.rows if row.cells[0]
        ]
        assert sum("★" in text for text in texts) == 1
        await press(pilot, "p")
        assert cells(pilot, "#cells")[0][1] == texts[0]


async def test_new_runs_come_in_and_the_cursor_stays(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "runs.duckdb")
    fill(paths, images(1, ("fo_maml", "maml")))
    async with opened(paths, TablesScreen, WIDE) as pilot:
        await press(pilot, "down", "right")
        before = said(pilot, "#told")
        fill(paths, images(2, ("fo_maml", "maml", "a_mine"))[12:])
        dashboard = screen_of(pilot).dashboard
        dashboard.poll()
        await settled(pilot)
        assert [row[0] for row in cells(pilot, "#cells")] == ["△ FO-MAML", "▲ MAML", "⬟ a_mine"]
        after = said(pilot, "#told")
        assert before.split(":")[0] == after.split(":")[0] == "MAML, mini 5-way 5-shot"
        assert "of 1 run" in before
        assert "of 2 runs" in after


def table_of(*scores: float | None) -> Table:
    column = Column(train_dataset="mini", eval_dataset="mini", ways=5, shots=1)
    rows = tuple(
        Row(
            algorithm=name,
            settings="",
            cells=(Cell(score=score, low=score, high=score, runs=5),),
        )
        for name, score in zip(LOOKS, scores, strict=False)
    )
    return Table(
        title="In-domain",
        conditions="",
        statistic="median",
        kind="classification",
        columns=(column,),
        rows=rows,
    )


def test_a_row_is_one_line_where_there_is_room() -> None:
    table = table_of(0.5, 0.25)
    wide, narrow = grid(table, width=60, paper=False), grid(table, width=30, paper=False)
    assert (wide.row_height, narrow.row_height) == (1, 2)
    assert wide.rows[0][1].plain == "0.500  0.500–0.500"
    assert narrow.rows[0][1].plain == "0.500\n0.500–0.500"
    assert wide.width > 30 >= narrow.width - 8


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (float("nan"), "NaN"), (float("inf"), "∞"), (0.48049, "0.480"), (0.0, "0.000")],
)
def test_numbers_that_are_none_are_said_so(value: float | None, text: str) -> None:
    assert number(value, "classification") == text


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0.5, "0.500, 0.500 to 0.500, of 5 runs"),
        (float("nan"), "NaN of 5 runs: a score is not finite"),
        (None, "5 runs tested, no number"),
    ],
)
def test_a_cell_is_told_in_words(score: float | None, words: str) -> None:
    sentence = cell_sentence(table_of(score), 0, 0).plain
    assert sentence == f"TrainFromScratch, mini 5-way 1-shot: {words}"


def test_a_run_that_was_not_tested_is_a_dash() -> None:
    rows = grid(table_of(None), width=60, paper=False).rows
    assert rows[0][1].plain == "-  5 runs"


def test_tables_of_a_store_as_it_was_never_pass_for_those_of_today(
    full_store: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = TablesScreen()
    before, today = Material(full_store), Material(full_store)

    def slow(material: Material, *, paper: bool) -> list[Any]:
        if material is before and not paper:
            screen.load(today)  # on another thread
        return [material]

    monkeypatch.setattr("mlbench.report.tables.shape.tables", slow)
    for material in (before, today):
        shown: list[Any] = screen.load(material)[1]
        assert shown == [(material, material)]
