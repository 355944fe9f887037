"""Tables of results; behind each number are the scores of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mlbench.report.page.grid import boxed
from mlbench.report.page.markup import Child, Html, joined, tag
from mlbench.report.page.study import Section, Study, plural
from mlbench.report.palette import look
from mlbench.report.tables.model import Cell, Column, Row, Table
from mlbench.report.tables.shape import tables
from mlbench.report.tables.words import interval, measured, number
from mlbench.store.records import Kind


def section(study: Study) -> Section:
    """Return the section."""
    found = tables(study.material, paper=study.paper)
    body = [one(study, table) for table in found]
    if not body:
        body = [tag("p", "No run has a result yet, so there is nothing to tabulate.")]
    else:
        advice = "Press a number for the SQL that lists the scores of its runs."
        body.insert(0, tag("p", advice))
    return Section("tables", "Tables", joined(body))


def one(study: Study, table: Table) -> Html:
    """Return a table under its heading, with its notes."""
    told = tag("div", f"{measured(table)}. ", tag("span", f"{table.conditions}."))
    caption = tag("caption", told)
    body = tag("tbody", [line(study, table, row) for row in table.rows])
    grid = tag("table", caption, head(table.columns), body, class_="results")
    notes = tag("ol", [tag("li", note) for note in table.notes], class_="notes")
    return joined(
        [tag("h3", table.title), boxed(grid), legend(table), notes if table.notes else None]
    )


def head(columns: Sequence[Column]) -> Html:
    """Return the head: data sets above, ways and shots below."""
    stub = tag("th", "technique", scope="col", rowspan=2)
    above: list[Html] = []
    below: list[Html] = []
    for domain, group in groupby(columns, key=lambda column: column.domain):
        members = list(group)
        heading = domain.replace("->", "→")
        above.append(tag("th", heading, scope="colgroup", colspan=len(members)))
        below.extend(tag("th", examples(column), scope="col") for column in members)
    return tag("thead", tag("tr", stub, above), tag("tr", below))


def examples(column: Column) -> str:
    """Return the ways and shots of a column."""
    shots = f"{column.shots}-shot"
    return shots if column.ways is None else f"{column.ways}-way {shots}"


def line(study: Study, table: Table, row: Row) -> Html:
    """Return the row of a technique."""
    settings = tag("span", row.settings, class_="settings") if row.settings else None
    name = tag("th", look(row.algorithm).label, settings, scope="row")
    return tag("tr", name, [cell(study, each, table.kind) for each in row.cells])


def cell(study: Study, each: Cell | None, kind: Kind) -> Html:
    """Return a cell: the number, its interval, what is to be noted, and the printed number."""
    if each is None:
        return tag("td", "–", class_="none")
    label: Child = number(each.score, kind)
    if each.best:
        label = tag("strong", label)
    if each.tied:
        label = [label, "*"]
    about = f"Lists the scores of {plural(each.runs, 'run')} that this number rests on."
    parts: list[Child] = [study.popups.query(label, each.query, about=about)]
    if each.notes:
        parts.append(tag("sup", ", ".join(map(str, each.notes))))
    if ends := interval(each, kind):
        parts.append(tag("span", ends, class_="interval"))
    if each.printed is not None:
        parts.append(tag("span", printed(each), class_="printed"))
    return tag("td", parts)


def printed(each: Cell) -> str:
    """Return the paper's number and by how much ours exceeds it."""
    assert each.printed is not None  # noqa: S101  for the type checker
    text = f"paper {each.printed.score:.2f} ± {each.printed.half_width:.2f}"
    difference = each.difference
    return text if difference is None else f"{text}, ours {difference:+.3f}".replace("-", "−")


def legend(table: Table) -> Html | None:
    """Return what bold and an asterisk mean, where they occur."""
    cells = [cell for row in table.rows for cell in row.cells if cell is not None]
    parts = []
    if any(cell.best for cell in cells):
        parts.append("Bold: the best of its column.")
    if any(cell.tied for cell in cells):
        parts.append("*: its interval overlaps that of the best.")
    parts.extend(table.remarks)
    return tag("p", " ".join(parts), class_="legend") if parts else None
