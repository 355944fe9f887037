"""What ``e`` writes: files that others can read, whole or not at all, and never over another."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from mlbench.errors import MlbenchError, NothingToDrawError
from mlbench.report.material import Material
from mlbench.report.tables.shape import tables
from mlbench.store.feed import Feed
from mlbench.store.paths import StorePaths
from mlbench.tui import export
from mlbench.tui.compare_screen import CompareScreen
from mlbench.tui.export import (
    export_run,
    export_runs,
    export_table,
    table_frame,
    text_writer,
    write_files,
)
from mlbench.tui.tables_screen import TablesScreen
from mlbench.tui.times_screen import TimesScreen
from mlbench.tui.view import View
from tests.tui.going import opened, press

pytestmark = pytest.mark.slow


class Always:
    """A clock that stands still."""

    @staticmethod
    def now() -> Any:
        class Moment:
            def __format__(self, form: str) -> str:
                return "20261123-181500"

        return Moment()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "datetime", Always)


def endings(files: list[Path]) -> list[str]:
    """Return what follows the moment in the names of files."""
    return [re.sub(r"^mlbench-\w+-\d{8}-\d{6}", "", file.name) for file in files]


def is_drawing(file: Path) -> bool:
    """Return whether a file is SVG from its first to its last tag."""
    return ET.fromstring(file.read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314  ours


@pytest.mark.usefixtures("still")
def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mlbench-tables-20261123-181500.md").write_text("mine")
    writers = {".csv": text_writer("a"), ".md": text_writer("b\n\n")}
    first = write_files(tmp_path, "tables", writers)
    second = write_files(tmp_path, "tables", writers)
    assert [file.name for file in first] == [
        "mlbench-tables-20261123-181500-2.csv",
        "mlbench-tables-20261123-181500-2.md",
    ]
    assert second[0].name == "mlbench-tables-20261123-181500-3.csv"
    assert (tmp_path / "mlbench-tables-20261123-181500.md").read_text() == "mine"
    assert first[1].read_text() == "b\n"


def test_files_come_together_or_not_at_all(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(MlbenchError, match=r"nothing was exported .*No space left"):
        write_files(tmp_path, "tables", {".csv": text_writer("a"), ".svg": fails})
    assert list(tmp_path.iterdir()) == []


def test_a_figure_with_nothing_to_draw_is_left_out(tmp_path: Path) -> None:
    def empty(path: Path) -> None:
        raise NothingToDrawError("nothing")

    files = write_files(tmp_path, "x", {".csv": text_writer("a"), ".svg": empty})
    assert [file.suffix for file in files] == [".csv"]
    assert list(tmp_path.iterdir()) == files


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(MlbenchError, match=r"nothing was exported to .*taken"):
        write_files(taken, "x", {".csv": text_writer("a")})


def test_a_table_as_csv_has_every_cell(full_store: StorePaths, tmp_path: Path) -> None:
    table = tables(Material(full_store), paper=True)[0]
    files = export_table(tmp_path, table)
    assert [file.suffix for file in files] == [".csv", ".md", ".tex"]
    frame = pl.read_csv(files[0])
    cells = [cell for row in table.rows for cell in row.cells if cell is not None]
    assert frame["score"].to_list() == [cell.score for cell in cells]
    assert frame["low"].to_list() == [cell.low for cell in cells]
    assert frame["best"].to_list() == [cell.best for cell in cells]
    assert frame["printed"].to_list() == [c.printed.score if c.printed else None for c in cells]
    assert "| " in files[1].read_text()
    assert r"\toprule" in files[2].read_text()
    assert table_frame(table).columns == frame.columns


def test_runs_are_in_the_order_in_which_they_are_seen(
    full_store: StorePaths, tmp_path: Path
) -> None:
    rows = Feed(full_store).poll().runs
    (file,) = export_runs(tmp_path, rows)
    frame = pl.read_csv(file, infer_schema_length=None)
    assert frame["run_id"].to_list() == [row.run_id for row in rows]
    assert frame["error"].drop_nulls().len() == sum(row.error is not None for row in rows)
    with pytest.raises(MlbenchError, match="no runs to export"):
        export_runs(tmp_path, ())


def test_a_run_is_its_curve_and_its_episodes(full_store: StorePaths, tmp_path: Path) -> None:
    material = Material(full_store)
    run_id = material.runs.filter(algorithm="maml", status="finished")["run_id"][0]
    drawing, episodes = export_run(tmp_path, material, run_id)
    assert is_drawing(drawing)
    frame = pl.read_csv(episodes)
    assert frame["run_id"].unique().to_list() == [run_id]
    assert set(frame["phase"]) == {"train", "validation", "test"}
    tested = frame.filter(phase="test", eval_dataset="mini")["score"].mean()
    score = material.results.filter(run_id=run_id, eval_dataset="mini")["score"][0]
    assert math.isclose(float(str(tested)), score)
    with pytest.raises(NothingToDrawError, match="maml-new has recorded no episode yet"):
        export_run(tmp_path, material, "maml-new")


@pytest.mark.parametrize(
    ("screen", "expected"),
    [
        (TablesScreen, [".csv", ".md", ".tex"]),
        (TimesScreen, [".csv", "-ratios.csv", "-figure-3.4.svg", "-figure-3.4.html"]),
        (CompareScreen, [".csv", "-paired.svg", "-paired.html"]),
    ],
)
async def test_e_writes_what_is_seen(
    full_store: StorePaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    screen: type[View],
    expected: list[str],
) -> None:
    def write(chart: Any, path: Path) -> None:
        assert "$schema" in chart.to_dict()
        path.write_text("<svg/>" if path.suffix == ".svg" else "<html></html>")

    # to save a chart takes two seconds; a run's is saved above
    monkeypatch.setattr("mlbench.report.save.save", write)
    monkeypatch.chdir(tmp_path)
    async with opened(full_store, screen) as pilot:
        await press(pilot, "e")
        said = " ".join(str(each.message) for each in pilot.app._notifications)
    files = sorted(tmp_path.iterdir())
    assert sorted(endings(files)) == sorted(expected)
    assert all(file.name in said for file in files)
    for file in files:
        if file.suffix == ".csv":
            assert len(pl.read_csv(file)) > 1
        if file.suffix == ".svg":
            assert is_drawing(file)
        if file.suffix == ".html":
            assert "</html>" in file.read_text()


async def test_nothing_to_export_is_said(empty_store: StorePaths, tmp_path: Path) -> None:
    async with opened(empty_store, TablesScreen) as pilot:
        assert isinstance(pilot.app.screen, TablesScreen)
        with pytest.raises(NothingToDrawError, match="no table to export"):
            pilot.app.screen.export(tmp_path)
    assert not list(tmp_path.glob("mlbench-*"))
