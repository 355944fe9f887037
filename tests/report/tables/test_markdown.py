"""Tables as Markdown that GitHub shows as it should."""

from __future__ import annotations

from dataclasses import replace

from mlbench.report.tables.markdown import markdown
from mlbench.report.tables.model import Row
from tests.report.tables.made import cell, small, unprinted


def test_the_best_is_in_bold_and_ties_are_in_italics() -> None:
    assert markdown([unprinted(small())]).splitlines() == [
        "### In-domain",
        "",
        "5-way classification, corrected protocol.",
        "Accuracy, median over runs, bootstrap 95 % interval; 5 runs a cell.",
        "",
        "| technique | mini, 1-shot | mini → cub, 5-shot |",
        "| :-- | :-- | :-- |",
        "| MAML | *0.470* [0.460, 0.480] | **0.351** [0.340, 0.360] <sup>1,2</sup> |",
        r"| sign\_maml inner\_lr=0.1 | **0.475** [0.465, 0.490] |  |",
        "",
        "**Bold**: best of its column; *italics*: tied, its interval overlaps that of the best.",
        "",
        "<sup>1</sup> One thing.",
        "",
        "<sup>2</sup> 100 % & more.",
        "",
        "So it is.",
    ]


def test_the_printed_number_and_the_difference_have_columns_of_their_own() -> None:
    lines = markdown([small()]).splitlines()
    beside = "| paper | difference |"
    assert lines[5] == f"| technique | mini, 1-shot {beside} mini → cub, 5-shot {beside}"
    assert lines[7].split(" | ")[2:4] == ["0.47", "0.000"]
    assert lines[7].split(" | ")[5:] == ["0.36", "-0.009 |"]
    assert lines[8].endswith("|  |  |  |  |  |")


def test_every_line_of_a_table_has_as_many_cells_whatever_is_in_them() -> None:
    odd = Row(algorithm="a|b*c", settings="x=`<y>`", cells=(cell(None), cell(0.5)))
    table = small()
    text = markdown([replace(table, rows=(*table.rows, odd))])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert r"| a\|b\*c x=\`\<y\>\` | - |" in lines[-1]
