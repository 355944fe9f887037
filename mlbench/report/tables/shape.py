"""From runs to the paper's tables: techniques × data sets × shots, in-domain and cross-domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import polars as pl

from mlbench.experiments.paper import SOURCE
from mlbench.experiments.paper import printed as printed_by_paper
from mlbench.report.datasets import dataset_rank
from mlbench.report.material import Material
from mlbench.report.palette import in_order
from mlbench.report.tables.model import Cell, Column, Printed, Row, Table
from mlbench.report.tables.ranking import ranked
from mlbench.report.tables.variants import Variant, labels
from mlbench.report.tables.words import conditions, few, footnotes
from mlbench.stats.labels import short_names
from mlbench.stats.names import Statistic
from mlbench.stats.settings import differing, settings_of
from mlbench.stats.summary import ESTIMATORS, SAME, SETTING, latest
from mlbench.store.records import Kind

SHARED = tuple(name for name in SETTING if name != "train_tasks")
"""What all columns of a table share. Some budgets train on fewer tasks the more shots there are."""
SCORES = """SELECT run_id, seed, status, {score} AS score
FROM results
WHERE eval_dataset = {dataset} AND run_id IN (
    {runs}
)
ORDER BY seed, run_id"""


@dataclass(frozen=True)
class Entry:
    """A row of a summary: a cell to be.

    Args:
        column: Where it stands.
        row: Which row it is in: the technique's place, what tells it from others, and its name.
        values: The row of the summary.
        run_ids: The runs that it rests on.
    """

    column: Column
    row: tuple[Any, ...]
    values: dict[str, Any]
    run_ids: Sequence[str]


def tables(material: Material, *, paper: bool = False) -> list[Table]:
    """Return the tables of the chosen runs: for each protocol, budget and the like, two.

    The first has the techniques in the domain that they were trained in (Table 3.1), the second
    has them in others (Table 3.4); one that would be empty is left out. What is best is told for
    each column, where all runs met the same data.

    Args:
        material: The runs.
        paper: Whether cells bear what the paper prints for them.
    """
    printed = printed_cells() if paper else {}
    settings = settings_of(material.hyperparameters)
    found = []
    for group in comparable(with_runs(material)):
        entries = place(group, settings)
        shared = conditions(group)
        for title, chosen in (
            ("In-domain", [e for e in entries if e.column.in_domain]),
            ("Cross-domain", [e for e in entries if not e.column.in_domain]),
        ):
            if chosen:
                found.append(make_table(title, shared, chosen, printed, material.where))
    return found


def with_runs(material: Material) -> pl.DataFrame:
    """Return the summary with the runs that each row rests on, as ``run_ids``."""
    results = material.results
    if material.statistic is not None:
        results = results.with_columns(pl.lit(material.statistic).alias("statistic"))
    runs = latest(results).group_by(SAME).agg(pl.col("run_id").sort_by("seed").alias("run_ids"))
    return material.summary.join(
        runs, on=list(SAME), how="left", nulls_equal=True, maintain_order="left"
    )


def comparable(summary: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of a summary that share tables: one setting, and one number of ways.

    Training tasks may differ between columns, as those of a budget do from shots to shots, but
    not within one; where they would, and where they were given by hand, each number has tables
    of its own.
    """
    for group in summary.partition_by([*SHARED, "ways"], maintain_order=True):
        by_shots = group.group_by("shots").agg(pl.col("train_tasks").n_unique())
        if group["budget"][0] != "custom" and (by_shots["train_tasks"] == 1).all():
            yield group
        else:
            yield from group.partition_by("train_tasks", maintain_order=True)


def place(group: pl.DataFrame, settings: Mapping[str, Mapping[str, str]]) -> list[Entry]:
    """Return the rows of a summary with their places in a table.

    Args:
        group: Rows that share tables.
        settings: Those of each run, by name.
    """
    rows = list(group.iter_rows(named=True))
    columns = columns_of(rows)
    entries = []
    for rank, algorithm in enumerate(in_order(group["algorithm"])):
        own = [number for number, row in enumerate(rows) if row["algorithm"] == algorithm]
        variants = [
            Variant(
                column=columns[number],
                values=settings.get(rows[number]["run_ids"][0], {}),
                settings_hash=rows[number]["settings_hash"],
            )
            for number in own
        ]
        for number, (label, order) in zip(own, labels(variants), strict=True):
            row = rows[number]
            key = (rank, order, algorithm, label)
            entries.append(Entry(columns[number], key, row, row["run_ids"]))
    return entries


def columns_of(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Return the column of each row, told from its like by the data that the runs met."""
    fingerprints: dict[str, set[str]] = {}
    for row in rows:
        for dataset, fingerprint in data_of(row).items():
            fingerprints.setdefault(dataset, set()).add(fingerprint)
    names = {dataset: short_names(known) for dataset, known in fingerprints.items()}
    families: dict[tuple[str, str], list[dict[str, str]]] = {}
    met = [{dataset: names[dataset][f] for dataset, f in data_of(row).items()} for row in rows]
    for row, data in zip(rows, met, strict=True):
        families.setdefault((row["train_dataset"], row["eval_dataset"]), []).append(data)
    return [
        Column(
            train_dataset=row["train_dataset"],
            eval_dataset=row["eval_dataset"],
            ways=row["ways"],
            shots=row["shots"],
            data=differing(data, families[row["train_dataset"], row["eval_dataset"]]),
        )
        for row, data in zip(rows, met, strict=True)
    ]


def data_of(row: dict[str, Any]) -> dict[str, str]:
    """Return the fingerprint of each data set that a row is about."""
    return {row[f"{role}_dataset"]: str(row[f"{role}_fingerprint"]) for role in ("train", "eval")}


def make_table(
    title: str,
    shared: str,
    entries: Sequence[Entry],
    printed: dict[tuple[Any, ...], Printed],
    where: str | None,
) -> Table:
    """Return one table of these cells."""
    kind: Kind = entries[0].values["kind"]
    statistic: Statistic = entries[0].values["statistic"]
    columns = sorted({entry.column for entry in entries}, key=column_order)
    notes: list[str] = []
    rows = []
    ordered = sorted(entries, key=lambda entry: entry.row)
    most = max(entry.values["runs"] for entry in entries)
    for (_, _, algorithm, label), members in groupby(ordered, key=lambda entry: entry.row):
        own = {entry.column: entry for entry in members}
        cells = [
            make_cell(own[column], notes, printed, most) if column in own else None
            for column in columns
        ]
        rows.append(Row(algorithm=algorithm, settings=label, cells=tuple(cells)))
    marked = [ranked(column, kind) for column in zip(*(row.cells for row in rows), strict=True)]
    rows = [
        replace(row, cells=cells)
        for row, cells in zip(rows, zip(*marked, strict=True), strict=True)
    ]
    return Table(
        title=title,
        conditions=shared,
        statistic=statistic,
        kind=kind,
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
        remarks=tuple(remarks(rows, statistic, where)),
    )


def column_order(column: Column) -> tuple[Any, ...]:
    """Return where a column goes: by data sets, then by shots."""
    return (*dataset_rank(column.train_dataset, column.eval_dataset), column.data, column.shots)


def make_cell(
    entry: Entry, notes: list[str], printed: dict[tuple[Any, ...], Printed], most: int
) -> Cell:
    """Return a cell that is not yet compared; its footnotes are added to ``notes``."""
    row, column = entry.values, entry.column
    own = footnotes(row)
    if row["runs"] < most:
        own.append(f"{row['runs']} run{'s' * (row['runs'] != 1)}.")
    notes.extend(note for note in own if note not in notes)
    key = (
        row["algorithm"],
        column.train_dataset,
        column.eval_dataset,
        column.ways,
        column.shots,
    )
    return Cell(
        score=row["score"],
        low=row["low"],
        high=row["high"],
        runs=row["runs"],
        notes=tuple(sorted(notes.index(note) + 1 for note in own)),
        printed=printed.get(key),
        query=query(entry),
    )


def query(entry: Entry) -> str:
    """Return SQL that lists the scores of a cell, run by run; NULL for one that left nothing."""
    return SCORES.format(
        score=ESTIMATORS.get(entry.values["statistic"], ("score",))[0],
        dataset=quoted(entry.column.eval_dataset),
        runs=",\n    ".join(map(quoted, entry.run_ids)),
    )


def quoted(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def remarks(rows: Sequence[Row], statistic: Statistic, where: str | None) -> Iterator[str]:
    """Yield what is to be known of all cells of a table."""
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    if where is not None:
        yield f"Only runs where {where}."
    if told := few([cell.runs for cell in cells], statistic):
        yield told
    if any(cell.score is not None and cell.low is None for cell in cells):
        yield "What has no interval ties with nothing."
    if any(cell.printed for cell in cells):
        yield (
            f"Paper: {SOURCE}, to two places, from five runs of their code with their statistic."
            " The difference is ours less theirs."
        )


def printed_cells() -> dict[tuple[Any, ...], Printed]:
    """Return what the paper prints, by technique, data sets, ways and shots."""
    rows = printed_by_paper().select(
        "algorithm", "train_dataset", "eval_dataset", "ways", "shots", "score", "half_width", "best"
    )
    return {
        tuple(key): Printed(score=score, half_width=half_width, best=best)
        for *key, score, half_width, best in rows.iter_rows()
    }
