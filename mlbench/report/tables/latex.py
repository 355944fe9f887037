r"""Tables as LaTeX with booktabs: the best in bold, ties in italics, conditions in the caption.

Wide tables have their intervals below their scores, so that the paper's four columns fit a page,
and the difference below what the paper prints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from mlbench.printable import printable
from mlbench.report.palette import look
from mlbench.report.tables.model import Cell, Row, Table
from mlbench.report.tables.words import (
    emphases,
    interval,
    measured,
    number,
    printed,
    signed,
)

ABREAST = 2  # columns; of more, intervals stand below their scores
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "×": r"$\times$",
}
PREAMBLE = r"% needs \usepackage[T1]{fontenc} and \usepackage{booktabs, graphicx}"
NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
"""A table is shrunk to the page if it is wider, and else is left alone."""


def latex(tables: Sequence[Table]) -> str:
    """Return tables as LaTeX, each in a ``table`` of its own."""
    labels, met = [], Counter[str]()
    for table in tables:
        label = f"tab:{re.sub('[^a-z]+', '-', table.title.lower())}"
        met[label] += 1
        labels.append(f"{label}-{met[label]}" if met[label] > 1 else label)
    parts = [one_table(table, label) for table, label in zip(tables, labels, strict=True)]
    return "\n\n".join([PREAMBLE, *parts])


def one_table(table: Table, label: str) -> str:
    """Return a table with its caption and notes."""
    each = 2 if table.compared else 1
    stacked = len(table.columns) > ABREAST or table.compared
    between = [r"\addlinespace[3pt]"] if stacked else []
    rows = [
        line
        for place, row in enumerate(table.rows)
        for line in [*(between if place else []), *lines_of(row, table, stacked=stacked)]
    ]
    notes = [
        rf"\textsuperscript{{{place}}}\,{escaped(note)}"
        for place, note in enumerate(table.notes, 1)
    ]
    foot = "\n  \\par\n  ".join([*notes, *map(escaped, table.remarks)])
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{caption(table)}}}",
            rf"  \label{{{label}}}",
            r"  \smallskip",
            r"  \small",
            r"  \setlength{\tabcolsep}{4pt}",
            rf"  {NO_WIDER}{{%",
            rf"  \begin{{tabular}}{{@{{}}l{'c' * each * len(table.columns)}@{{}}}}",
            r"    \toprule",
            *(f"    {line}" for line in heads(table, each)),
            r"    \midrule",
            *(f"    {line}" for line in rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            *(["  \\par\\medskip\n  \\footnotesize\\raggedright", f"  {foot}"] if foot else []),
            r"\end{table}",
        ]
    )


def caption(table: Table) -> str:
    """Return what a table shows, under which conditions, and what its marks mean."""
    marks = emphases(table, best=r"\textbf{Bold}", tied=r"\textit{italics}")
    told = f"{table.title}: {measured(table)}. {table.conditions}."
    return f"{escaped(told)} {marks}".rstrip()


def heads(table: Table, each: int) -> list[str]:
    """Return the headings: data sets over shots, with what is printed beside what is ours.

    Args:
        table: Of which.
        each: How many columns each of its columns takes.
    """
    spans, rules, first = [], [], 2
    for domain, members in groupby(table.columns, key=lambda column: column.domain):
        wide = each * len(list(members))
        spans.append(rf"\multicolumn{{{wide}}}{{c}}{{{arrow(domain)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + wide - 1}}}")
        first += wide
    ours = [f"{column.shots}-shot" for column in table.columns]
    shots = [part for head in ours for part in ([head, "paper"] if table.compared else [head])]
    return [ended(["", *spans]), "".join(rules), ended(["technique", *shots])]


def lines_of(row: Row, table: Table, *, stacked: bool) -> list[str]:
    """Return the lines of a row: one, or two if intervals stand below scores."""
    label, settings = escaped(look(row.algorithm).label), escaped(row.settings)
    if not stacked:
        cells = [
            f"{score(cell, table)} {tiny(interval(cell, table.kind))}".strip() if cell else ""
            for cell in row.cells
        ]
        return [ended([f"{label} {settings}".rstrip(), *cells])]
    upper, lower = [label], [tiny(settings)]
    for cell in row.cells:
        upper.append(score(cell, table))
        lower.append(tiny(interval(cell, table.kind) if cell else ""))
        if table.compared:
            upper.append(printed(cell) if cell else "")
            lower.append(tiny(true_minus(signed(cell.difference)) if cell else ""))
    return [ended(upper), *([ended(lower)] if any(lower) else [])]


def score(cell: Cell | None, table: Table) -> str:
    """Return a score in its emphasis, with the numbers of its notes."""
    if cell is None:
        return ""
    text = number(cell.score, table.kind)
    if cell.best or cell.tied:
        text = rf"\text{'bf' if cell.best else 'it'}{{{text}}}"
    notes = ",".join(map(str, cell.notes))
    return rf"{text}\textsuperscript{{{notes}}}" if notes else text


def tiny(text: str) -> str:
    """Return a text in small print."""
    return rf"{{\scriptsize {text}}}" if text else ""


def true_minus(text: str) -> str:
    """Return a number with a true minus sign."""
    return f"${text}$" if text else ""


def ended(cells: Sequence[str]) -> str:
    r"""Return a line of a table; ``\\`` takes what follows in brackets for a length."""
    return " ".join(rf"{' & '.join(cells)} \\".split())


def arrow(domain: str) -> str:
    """Return data sets with a true arrow between them."""
    return r" $\rightarrow$ ".join(map(escaped, domain.split(" -> ")))


def escaped(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    return "".join(SPECIAL.get(letter, letter) for letter in printable(text))
