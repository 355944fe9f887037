r"""Tables as LaTeX: what is special is escaped, every row has its columns, and it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlbench.report.tables.latex import SPECIAL, escaped, latex
from mlbench.report.tables.model import Column, Row, Table
from tests.report.tables.made import CUB, MINI, cell, small, unprinted

ODD = r"""x_y & 100 % #1 $a$ ^b ~c {d} \e <f> |g| "h" 'i' `j` ± × [k]"""
DOCUMENT = r"""\documentclass{{article}}
\usepackage[T1]{{fontenc}}
\usepackage{{booktabs, graphicx}}
\begin{{document}}
{tables}
\end{{document}}
"""


def hostile() -> Table:
    """Return a table that has what LaTeX would stumble over in every place."""
    odd = Row(algorithm=ODD, settings=ODD, cells=(cell(0.5, 0.4, 0.6), cell(None)))
    table = small(notes=(ODD, "Two."), remarks=(ODD,), conditions=ODD)
    cub = Column(train_dataset="a_b", eval_dataset="c&d", ways=None, shots=1, data="f%")
    return replace(table, rows=(*table.rows, odd), columns=(MINI, cub))


def many() -> Table:
    """Return a table of four columns in two domains."""
    row = Row(algorithm="maml", settings="order=1", cells=(*small().rows[0].cells, None, cell(1.0)))
    return unprinted(replace(small(), rows=(row,), columns=(MINI, MINI, CUB, CUB)))


TABLES = [small(), unprinted(small()), hostile(), many(), replace(small(), notes=(), remarks=())]


def test_a_row_has_bold_for_the_best_and_italics_for_ties() -> None:
    lines = [line.strip() for line in latex([unprinted(small())]).splitlines()]
    start = lines.index(r"\toprule")
    assert lines[start - 1] == r"\begin{tabular}{@{}lcc@{}}"
    assert lines[start : lines.index(r"\bottomrule") + 1] == [
        r"\toprule",
        r"& \multicolumn{1}{c}{mini} & \multicolumn{1}{c}{mini $\rightarrow$ cub} \\",
        r"\cmidrule(lr){2-2}\cmidrule(lr){3-3}",
        r"technique & 1-shot & 5-shot \\",
        r"\midrule",
        r"MAML & \textit{0.470} {\scriptsize [0.460, 0.480]} &"
        r" \textbf{0.351}\textsuperscript{1,2} {\scriptsize [0.340, 0.360]} \\",
        r"sign\_maml inner\_lr=0.1 & \textbf{0.475} {\scriptsize [0.465, 0.490]} & \\",
        r"\bottomrule",
    ]


def test_the_caption_has_statistic_runs_conditions_and_what_marks_mean() -> None:
    (caption,) = re.findall(r"\\caption\{(.*)\}$", latex([small()]), re.MULTILINE)
    assert caption == (
        r"In-domain: Accuracy, median over runs, bootstrap 95 \% interval; 5 runs a"
        r" cell. 5-way classification, corrected protocol. \textbf{Bold}: best of its column;"
        r" \textit{italics}: tied, its interval overlaps that of the best."
    )


def test_what_the_paper_prints_is_beside_with_the_difference_below() -> None:
    text = latex([small()])
    assert r"technique & 1-shot & paper & 5-shot & paper \\" in text
    upper, lower = [line.strip() for line in text.splitlines() if "0.4" in line][:2]
    assert upper == (
        r"MAML & \textit{0.470} & 0.47 & \textbf{0.351}\textsuperscript{1,2} & 0.36 \\"
    )
    assert lower == (
        r"& {\scriptsize [0.460, 0.480]} & {\scriptsize $0.000$} & {\scriptsize [0.340, 0.360]} &"
        r" {\scriptsize $-0.009$} \\"
    )


def test_domains_span_their_columns() -> None:
    text = latex([many()])
    assert r"& \multicolumn{2}{c}{mini} & \multicolumn{2}{c}{mini $\rightarrow$ cub} \\" in text
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in text


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_every_column(table: Table) -> None:
    text = latex([table])
    (columns,) = re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", text)
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    rows = re.findall(r"^ *(.*)\\\\$", body, re.MULTILINE)
    assert len(rows) >= 3
    for row in rows:
        spans = sum(int(span) - 1 for span in re.findall(r"\\multicolumn\{(\d)\}", row))
        assert len(re.findall(r"(?<!\\)&", row)) + spans + 1 == len(columns)


@pytest.mark.parametrize("table", TABLES)
def test_braces_and_environments_are_balanced(table: Table) -> None:
    text = re.sub(r"^%.*$", "", latex([table, table]), flags=re.MULTILINE)
    bare = re.sub(r"\\[\\{}]", "", text)
    assert bare.count("{") == bare.count("}")
    opened, closed = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
    assert sorted(opened) == sorted(closed)


def test_nothing_special_is_left_as_it_is() -> None:
    rest = escaped(ODD)
    for replacement in sorted(SPECIAL.values(), key=len, reverse=True):
        rest = rest.replace(replacement, "")
    assert not set(rest) & set(SPECIAL)
    assert escaped("a_b & c") == r"a\_b \& c"


def test_labels_are_told_apart() -> None:
    tables = [small(), small(title="Cross-domain"), small(), small()]
    labels = re.findall(r"\\label\{(.*)\}", latex(tables))
    assert labels == ["tab:in-domain", "tab:cross-domain", "tab:in-domain-2", "tab:in-domain-3"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles_and_nothing_is_too_wide(tmp_path: Path) -> None:
    (tmp_path / "t.tex").write_text(DOCUMENT.format(tables=latex(TABLES)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    tables_too_wide = re.findall(r"Overfull \\hbox.*(?:alignment|detected)", log)
    assert tables_too_wide == []
