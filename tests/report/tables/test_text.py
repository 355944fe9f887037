"""Tables as text: aligned, no wider than asked for, every mark explained."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlbench.report.tables.model import Column, Row, Table
from mlbench.report.tables.text import text
from tests.report.tables.made import MINI, cell, small, unprinted

FOUR = tuple(
    Column(train_dataset=train, eval_dataset=train, ways=5, shots=shots)
    for train in ("mini", "cub")
    for shots in (1, 5)
)


def wide(names: int = 2, settings: str = "") -> Table:
    """Return a table of four columns."""
    cells = tuple(cell(0.47 + 0.1 * place, 0.46, 0.79) for place in range(4))
    rows = [Row(algorithm=f"a{place}", settings=settings, cells=cells) for place in range(names)]
    return replace(unprinted(small()), columns=FOUR, rows=tuple(rows), notes=(), remarks=())


def test_a_table_has_conditions_above_and_notes_below() -> None:
    assert text([unprinted(small())], width=90).splitlines() == [
        "In-domain",
        "5-way classification, corrected protocol.",
        "Accuracy, median over runs, bootstrap 95 % interval; 5 runs a cell.",
        "",
        "                        mini                   mini -> cub",
        "technique               1-shot                 5-shot",
        "----------------------  ---------------------  ----------------------------",
        "MAML                    0.470 [0.460, 0.480]~  0.351 [0.340, 0.360]* (1)(2)",
        "sign_maml inner_lr=0.1  0.475 [0.465, 0.490]*",
        "",
        "*: best of its column; ~: tied, its interval overlaps that of the best.",
        "(1) One thing.",
        "(2) 100 % & more.",
        "So it is.",
    ]


def test_the_printed_number_and_the_difference_are_beside_each_cell() -> None:
    lines = text([small()], width=120).splitlines()
    assert lines[5].split() == [
        "technique",
        *("1-shot", "paper", "diff"),
        *("5-shot", "paper", "diff"),
    ]
    assert lines[7].split() == [
        *("MAML", "0.470", "[0.460,", "0.480]~", "0.47", "0.000"),
        *("0.351", "[0.340,", "0.360]*", "(1)(2)", "0.36", "-0.009"),
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("settings", ["", "hidden=[20, 20, 20, 20, 20], train_steps=5, order=2"])
def test_no_line_is_wider_than_asked_for(width: int, settings: str) -> None:
    lines = text([wide(settings=settings)], width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_a_table_that_is_too_wide_is_broken_between_data_sets() -> None:
    narrow = text([wide()], width=80)
    heads = re.findall(r"^ +(mini|cub)( +cub)?$", narrow, re.MULTILINE)
    assert heads == [("mini", ""), ("cub", "")]
    assert narrow.count("technique") == 2
    (head,) = re.findall(r"^ +(mini|cub)( +cub)?$", text([wide()], width=120), re.MULTILINE)
    assert head[1].strip() == "cub"


def test_where_not_even_one_data_set_fits_its_columns_are_broken() -> None:
    lines = text([wide()], width=40).splitlines()
    assert sum("mini" in line for line in lines) == 2
    assert sum("5-shot" in line for line in lines) == 2


def test_a_row_without_cells_in_a_block_is_not_in_it() -> None:
    table = wide(1)
    half = Row(algorithm="half", settings="", cells=(cell(0.1), cell(0.2), None, None))
    lines = text([replace(table, rows=(*table.rows, half))], width=80).splitlines()
    assert sum(line.startswith("half") for line in lines) == 1
    assert sum(line.startswith("a0") for line in lines) == 2


def test_numbers_of_errors_are_aligned_at_the_right() -> None:
    rows = tuple(
        Row(algorithm=f"a{place}", settings="", cells=(cell(score, 0.5, 2.0),))
        for place, score in enumerate((0.67123, 1.5, 1234.0, None))
    )
    table = replace(unprinted(small()), kind="regression", columns=(MINI,), rows=rows)
    lines = [line for line in text([table]).splitlines() if re.match("a[0-9]", line)]
    assert [line.split("[")[0].rstrip() for line in lines[:3]] == [
        "a0         0.6712",
        "a1          1.500",
        "a2           1234",
    ]
    assert lines[3].startswith("a3              -")


def test_bold_changes_nothing_that_is_seen() -> None:
    plain, bold = text([small()]), text([small()], bold=True)
    assert "\033[1m0.351\033[0m [0.340, 0.360]*" in bold
    assert bold.count("\033[1m") == 2
    assert re.sub("\033\\[.m", "", bold) == plain
