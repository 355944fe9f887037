"""``mlbench plot``, over a small store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.report.figures import FIGURES
from mlbench.store.paths import StorePaths
from tests.gallery import Made, fill

ONE = Made(algorithm="maml", test_tasks=2, validation_tasks=2, train_tasks=20, validate_every=10)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return fill(StorePaths(tmp_path / "runs.duckdb"), [ONE]).database


def plot(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments)])


def test_a_figure_goes_where_it_is_told_and_says_so(database: Path, tmp_path: Path) -> None:
    targets = tmp_path / "a.json", tmp_path / "b.json"
    result = plot("cross-domain", "-o", targets[0], "-o", targets[1], "--db", database)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [f"Wrote {target}" for target in targets]
    assert json.loads(targets[0].read_text()) == json.loads(targets[1].read_text())


@pytest.mark.slow
def test_without_a_name_it_is_a_page_in_this_folder(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = plot("cross-domain")
    assert (result.exit_code, result.stderr) == (0, "Wrote cross-domain.html\n")
    assert (tmp_path / "cross-domain.html").read_text().startswith("<!DOCTYPE html>")


def test_the_list_and_the_help_name_every_figure() -> None:
    listed = plot("--list")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(FIGURES)
    shown = plot("--help").stdout
    assert all(f"  {figure.name}" in shown for figure in FIGURES.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure-9"], "'figure-9' is not one of 'learning-curves'"),
        ([], "Missing argument 'FIGURE'"),
        (["cross-domain", "-o", "x.gif"], "there are .html, .svg, .png, .pdf, .json"),
        (["cross-domain", "--over", "shots"], "cross-domain takes no --over; what does: scaling."),
        (["paired", "--statistic", "mean"], "paired takes no --statistic; what does: learning-cu"),
        (["episodes", "--statistic", "mean"], "episodes takes no --statistic; what does: learn"),
        (["scaling", "--over", "shot"], "did you mean 'shots'? There are: T, shots, ways, order"),
        (["scaling", "--measure", "validation"], "it has test, seconds."),
        (["cross-domain", "--where", "shot = 5"], "'shot = 5' is no condition on runs"),
        (["cross-domain", "--statistic", "mode"], "'mode' is not one of 'median'"),
    ],
)
def test_misuse_is_refused_with_what_would_do(
    database: Path, arguments: list[str], message: str
) -> None:
    result = plot(*arguments, "--db", database)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_to_draw_is_a_failure_that_names_the_remedy(tmp_path: Path) -> None:
    empty = tmp_path / "none.duckdb"
    result = plot("figure-3.4", "-o", tmp_path / "x.svg", "--db", empty)
    assert result.exit_code == 1
    assert f"make one: mlbench run maml --train sine --budget smoke --db {empty}" in result.stderr
    assert not (tmp_path / "x.svg").exists()


def test_the_runs_and_the_statistic_are_chosen(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    chosen = ("--where", "shots = 1", "--statistic", "mean", "--db", database)
    assert plot("cross-domain", "-o", target, *chosen).exit_code == 0
    assert (
        plot("cross-domain", "-o", target, "--where", "shots = 5", "--db", database).exit_code == 1
    )
