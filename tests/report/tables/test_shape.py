"""From a store full of made-up runs to the paper's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest

from mlbench.experiments.paper import printed
from mlbench.report.material import Material
from mlbench.report.tables.model import Cell, Column, Row, Table
from mlbench.report.tables.shape import tables
from mlbench.stats.caveats import caveat
from mlbench.stats.names import Statistic
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import sql
from tests.fake_runs import FakeRun
from tests.gallery import Made, fill, images, sine

SMALL: dict[str, Any] = {
    "train_tasks": 8,
    "validate_every": 8,
    "validation_tasks": 2,
    "test_tasks": 8,
}


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return the runs of the paper's tables, with three seeds, the last technique first."""
    paths = StorePaths(tmp_path_factory.mktemp("paper") / "runs.duckdb")
    runs = [replace(run, **SMALL) for run in images(3)]
    return Material(fill(paths, runs[::-1]))


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


def cells(table: Table) -> Iterator[tuple[Row, Column, Cell]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell is not None:
                yield row, column, cell


def made(**more: Any) -> Made:
    return Made(**{"algorithm": "maml", **SMALL, **more})


def test_the_tables_have_the_rows_and_columns_of_the_papers(studied: Material) -> None:
    shaped = tables(studied)
    assert [table.title for table in shaped] == ["In-domain", "Cross-domain"]
    for table, number in zip(shaped, ("3.1", "3.4"), strict=True):
        paper = printed().filter(table=number)
        columns = paper.select("train_dataset", "eval_dataset", "ways", "shots")
        assert [
            (each.train_dataset, each.eval_dataset, each.ways, each.shots) for each in table.columns
        ] == columns.unique(maintain_order=True).rows()
        order = paper["algorithm"].unique(maintain_order=True).to_list()
        assert [row.algorithm for row in table.rows] == order
        assert {row.settings for row in table.rows} == {""}


def test_cells_hold_what_is_summarised(studied: Material) -> None:
    for table in tables(studied):
        for row, column, cell in cells(table):
            (summary,) = studied.summary.filter(
                algorithm=row.algorithm,
                train_dataset=column.train_dataset,
                eval_dataset=column.eval_dataset,
                shots=column.shots,
            ).iter_rows(named=True)
            for name in ("score", "low", "high", "runs"):
                assert getattr(cell, name) == summary[name]


def test_each_column_has_a_best_that_nothing_beats(studied: Material) -> None:
    for table in tables(studied):
        for column in zip(*(row.cells for row in table.rows), strict=True):
            scores = [cell.score for cell in column if cell and cell.score is not None]
            assert [cell.score for cell in column if cell and cell.best] == [max(scores)]


@pytest.mark.parametrize(("table", "place"), [(0, 0), (1, 3)])
def test_the_query_of_a_cell_lists_its_runs_and_their_scores(
    studied: Material, table: int, place: int
) -> None:
    chosen = tables(studied)[table]
    column = chosen.columns[place]
    for row in chosen.rows:
        cell = row.cells[place]
        assert cell is not None
        listed = sql(studied.paths, cell.query)
        known = studied.counted.filter(
            algorithm=row.algorithm,
            train_dataset=column.train_dataset,
            eval_dataset=column.eval_dataset,
            shots=column.shots,
        )
        assert sorted(listed["run_id"]) == sorted(known["run_id"])
        assert cell.runs == 3
        assert median(listed["score"]) == cell.score


def test_the_query_lists_what_the_statistic_is_of(paths: StorePaths) -> None:
    fill(paths, [made(seed=seed) for seed in range(3)])
    medians = sql(paths, "select score_median from results where eval_dataset = 'cub'")
    (_, cross) = tables(Material(paths, statistic="trimmed"))
    ((_, _, cell),) = cells(cross)
    assert sorted(sql(paths, cell.query)["score"]) == sorted(medians["score_median"])


@pytest.mark.parametrize("statistic", ["iqm", "two-level"])
def test_every_statistic_has_its_query(paths: StorePaths, statistic: Statistic) -> None:
    fill(paths, [made(seed=seed) for seed in range(3)])
    table, _ = tables(Material(paths, statistic=statistic))
    ((_, _, cell),) = cells(table)
    assert len(sql(paths, cell.query)) == 3
    assert table.statistic == statistic


def test_of_a_seed_that_was_run_again_the_query_lists_the_last(paths: StorePaths) -> None:
    first = made(eval_datasets=())
    again = replace(first, seconds=21.0, hyperparameters=first.hyperparameters)
    later = replace(again, started=again.started.replace(year=2027))
    fill(paths, [later, first, made(eval_datasets=(), seed=1)])
    ((_, _, cell),) = cells(tables(Material(paths))[0])
    assert cell.runs == 2
    assert later.run_id in cell.query
    assert first.run_id not in cell.query


def test_runs_of_another_protocol_or_budget_have_tables_of_their_own(paths: StorePaths) -> None:
    others = [made(protocol="released"), made(budget="smoke"), made(test_tasks=9)]
    fill(paths, [made(), *others])
    shaped = tables(Material(paths))
    assert len(shaped) == 2 * 4
    assert len({(table.title, table.conditions) for table in shaped}) == 8
    assert all(len(list(cells(table))) == 1 for table in shaped)


def test_a_budget_that_trains_less_at_more_shots_has_one_table(paths: StorePaths) -> None:
    fill(paths, [made(shots=1), made(shots=5, train_tasks=4, validate_every=8)])
    (table, _) = tables(Material(paths))
    assert [column.shots for column in table.columns] == [1, 5]
    assert "8 (1-shot) or 4 (5-shot) training tasks" in table.conditions


def test_training_tasks_that_were_given_by_hand_are_never_mixed(paths: StorePaths) -> None:
    fill(
        paths,
        [
            made(budget="custom"),
            made(budget="custom", shots=5, train_tasks=4),
            made(shots=10),
            made(shots=10, train_tasks=4),
        ],
    )
    assert len(tables(Material(paths))) == 2 * 4


def test_other_numbers_of_ways_have_tables_of_their_own(paths: StorePaths) -> None:
    fill(paths, [made(eval_datasets=()), made(eval_datasets=(), ways=20)])
    conditions = [table.conditions for table in tables(Material(paths))]
    assert [each.partition(" ")[0] for each in conditions] == ["5-way", "20-way"]


def test_other_hyperparameters_have_a_row_and_are_compared(paths: StorePaths) -> None:
    orders = [made(hyperparameters=(("order", order),), seed=s) for order in (2, 1) for s in (0, 1)]
    fill(paths, [*orders, made(shots=5, hyperparameters=(("order", 2),))])
    (table, _) = tables(Material(paths))
    assert [row.settings for row in table.rows] == ["order=1", "order=2"]
    assert [[cell and cell.runs for cell in row.cells] for row in table.rows] == [
        [2, None],
        [2, 1],
    ]


def test_other_data_have_a_column_and_are_not_compared(paths: StorePaths) -> None:
    for place, fingerprint in enumerate(("f-mini", "e-mini")):
        run = FakeRun(f"r{place}")
        data = {"mini": fingerprint, "cub": "f-cub"}
        run.write(paths, run.whole(fingerprints=data, spec_hash=f"h{place}"))
    ingest(paths)
    (table, cross) = tables(Material(paths))
    assert [column.domain for column in table.columns] == [
        "mini (mini=e-mini)",
        "mini (mini=f-mini)",
    ]
    assert len(cross.columns) == 2
    assert not any(cell.best or cell.tied for _, _, cell in cells(table))


def test_of_errors_the_lowest_is_best(paths: StorePaths) -> None:
    fill(paths, [replace(run, **SMALL) for run in sine(2, steps=(1,), layers=(0, 5))])
    (table,) = tables(Material(paths))
    scores = {cell.score: cell.best for _, _, cell in cells(table)}
    assert len(scores) == 7
    assert [score for score, best in scores.items() if best] == [min(filter(None, scores))]
    assert table.kind == "regression"
    assert table.columns[0].ways is None


def test_what_cells_suffer_from_is_noted(paths: StorePaths) -> None:
    lost = made(seed=2, status="diverged", error="at task 7", until=0.1, eval_datasets=())
    other = made(seed=0, status="diverged", error="at task 8", eval_datasets=())
    turtles = [made(algorithm="turtle", seed=seed, eval_datasets=()) for seed in range(3)]
    fill(paths, [lost, other, *turtles])
    (table,) = tables(Material(paths))
    (maml, turtle) = (row.cells[0] for row in table.rows)
    assert maml is not None
    assert turtle is not None
    assert [table.notes[number - 1] for number in maml.notes] == [
        "2 of 2 runs diverged, 1 with nothing to test.",
        "1 run.",
    ]
    assert turtle.notes == ()
    assert table.runs == (1, 3)
    listed = sql(paths, maml.query).select("run_id", "status", pl.col("score").is_null())
    assert (lost.run_id, "diverged", True) in listed.rows()
    assert len(listed) == 2


def test_few_runs_are_remarked_on(paths: StorePaths) -> None:
    fill(paths, [made(seed=seed, eval_datasets=()) for seed in range(3)])
    (table,) = tables(Material(paths))
    assert table.remarks == (f"{caveat('median', 3)}.",)
    assert "3 runs" in table.remarks[0]
    assert tables(Material(paths, where="seed = 1"))[0].remarks == (
        "Only runs where seed = 1.",
        "1 run: no interval.",
        "What has no interval ties with nothing.",
    )


def test_beside_each_cell_is_what_the_paper_prints(studied: Material) -> None:
    shaped = tables(studied, paper=True)
    by_hand = {("turtle", "mini", 1): 0.48, ("lstm_enhanced", "cub", 5): 0.71}
    met = 0
    for row, column, cell in cells(shaped[0]):
        assert cell.printed is not None
        expected = by_hand.get((row.algorithm, column.train_dataset, column.shots))
        if expected is not None:
            assert cell.score is not None
            assert cell.difference == pytest.approx(cell.score - expected, abs=1e-12)
            met += 1
    assert met == 2
    (cross,) = [
        cell
        for row, column, cell in cells(shaped[1])
        if (row.algorithm, column.domain, column.shots) == ("baseline_pp", "cub -> mini", 5)
    ]
    assert cross.printed is not None
    assert (cross.printed.score, cross.printed.half_width, cross.printed.best) == (
        0.31,
        0.01,
        False,
    )
    assert shaped[0].compared
    assert not tables(studied)[0].compared


def test_the_paper_prints_nothing_of_other_tasks(paths: StorePaths) -> None:
    fill(paths, [made(shots=2), made(ways=20), made(algorithm="anil")])
    assert not any(table.compared for table in tables(Material(paths), paper=True))


def test_an_empty_store_has_no_tables(paths: StorePaths) -> None:
    assert tables(Material(paths), paper=True) == []
