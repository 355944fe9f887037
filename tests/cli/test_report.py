"""``mlbench report``: the file that it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.report.page.sections import figures
from mlbench.store.paths import StorePaths
from tests.gallery import Made, fill


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", {})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    runs = [Made(algorithm=name, seed=seed) for name in ("maml", "turtle") for seed in range(2)]
    return fill(StorePaths(tmp_path / "runs.duckdb"), runs).database


def report(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "--db", str(database), *arguments])


def test_a_page_is_written_and_its_size_told(database: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    result = report(database, "-o", str(output), "--title", "My <study>")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"{output}: 4 runs, ")
    text = output.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<title>My &lt;study&gt;</title>" in text
    assert sorted(path.name for path in tmp_path.glob("*report*")) == ["report.html"]


def test_runs_and_statistic_are_chosen_on_the_command_line(database: Path, tmp_path: Path) -> None:
    output = tmp_path / "maml.html"
    result = report(
        database, "-o", str(output), "--where", "algorithm = 'maml'", "--statistic", "mean"
    )
    assert result.exit_code == 0, result.stderr
    text = output.read_text(encoding="utf-8")
    assert "mean over runs ± 1.96 standard errors" in text
    assert '<th scope="row">MAML</th>' in text
    assert '<th scope="row">TURTLE</th>' not in text


def test_the_papers_numbers_are_printed_beside_on_demand(database: Path, tmp_path: Path) -> None:
    output = tmp_path / "paper.html"
    assert report(database, "-o", str(output)).exit_code == 0
    assert 'class="printed"' not in output.read_text(encoding="utf-8")
    assert report(database, "-o", str(output), "--paper").exit_code == 0
    assert 'class="printed"' in output.read_text(encoding="utf-8")


def test_nothing_but_a_page_is_overwritten(database: Path) -> None:
    before = database.read_bytes()
    result = report(database, "-o", str(database))
    assert result.exit_code == 2
    assert "a report is HTML, so name it runs.html" in result.stderr
    assert database.read_bytes() == before


def test_a_page_that_is_there_stays_if_there_is_nothing_to_report(
    database: Path, tmp_path: Path
) -> None:
    output = tmp_path / "report.html"
    output.write_text("earlier")
    result = report(database, "-o", str(output), "--where", "seed = 9")
    assert result.exit_code == 1
    assert "'seed = 9' holds; widen --where" in result.stderr
    assert output.read_text() == "earlier"


def test_a_missing_folder_is_named(database: Path, tmp_path: Path) -> None:
    result = report(database, "-o", str(tmp_path / "nowhere" / "report.html"))
    assert result.exit_code == 1
    assert "nowhere/report.html cannot be written: No such file or directory" in result.stderr


def test_an_empty_database_says_what_to_type(tmp_path: Path) -> None:
    result = report(tmp_path / "runs.duckdb", "-o", str(tmp_path / "report.html"))
    assert result.exit_code == 1
    assert "has no run yet; make one: mlbench run" in result.stderr


def test_a_condition_that_is_none_is_refused(database: Path, tmp_path: Path) -> None:
    result = report(database, "-o", str(tmp_path / "report.html"), "--where", "speed > 3")
    assert result.exit_code == 2
    assert "'speed > 3' is no condition on runs" in result.stderr
