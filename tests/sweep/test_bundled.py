"""The grids that come with mlbench are the paper's experiments."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from mlbench.errors import MisuseError
from mlbench.registry import load_algorithm
from mlbench.run.setup import prepare
from mlbench.sweep.bundled import bundled_names, load_grid

RUNS = {
    "figure-3.2": 2 * 3 * 30 + 2 * 3 * 8 * 30,
    "figure-3.3": 4 * 2 * 30 + 2 * 2 * 30,
    "figure-3.4": 9 * 2 * 2 * 5,
    "table-3.1": 9 * 2 * 2 * 5,
    "table-3.4": 9 * 2 * 2 * 5,
    "mini-cub": 9 * 2 * 3,
    "omniglot": 9 * 2 * 3,
    "quick-tour": 5 * 3,
    "running-times": 9 * 2 * 5,
}


bundled = cache(load_grid)  # to read one may take a second


def test_the_bundled_grids_have_the_runs_of_the_paper() -> None:
    assert {
        name: sum(len(cell.seeds) for cell in bundled(name).cells) for name in bundled_names()
    } == RUNS


@pytest.mark.parametrize("name", sorted(RUNS))
def test_every_technique_and_setting_of_a_bundled_grid_is_known(name: str) -> None:
    grid = bundled(name)
    assert grid.title
    for cell in grid.cells:
        algorithm = load_algorithm(cell.request.algorithm)
        own = {k: v for k, v in cell.request.settings.items() if "." not in k}
        algorithm.Hyper.parse(own, situations=(), owner=algorithm.name)


@pytest.mark.slow
def test_the_grids_of_sine_can_be_prepared_and_are_not_twice_the_same() -> None:
    for name in ("figure-3.2", "figure-3.3"):
        cells = bundled(name).cells
        assert len({prepare(cell.request).spec.hash for cell in cells}) == len(cells)


def test_table_3_4_and_figure_3_4_share_the_runs_of_table_3_1() -> None:
    cells = bundled("table-3.1").cells
    assert bundled("table-3.4").cells == cells == bundled("figure-3.4").cells
    assert bundled("table-3.4").title != bundled("table-3.1").title


def test_a_file_may_name_the_runs_of_a_bundled_grid(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("runs_of = 'quick-tour'\n")
    assert load_grid(str(file)).cells == bundled("quick-tour").cells
    file.write_text("runs_of = 'slow-tour'\n")
    with pytest.raises(MisuseError, match="runs_of 'slow-tour' is none of figure"):
        load_grid(str(file))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("table-3.2", "did you mean 'table-3."),
        ("nothing", "bundled are: figure-3.2"),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_what_is_no_grid_is_told(name: str, told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        load_grid(name)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MisuseError, match="it is no text in UTF-8"):
        load_grid(str(file))
