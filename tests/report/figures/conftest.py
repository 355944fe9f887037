"""Small stores to draw, filled once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlbench.report.material import Material
from mlbench.store.paths import StorePaths
from tests.gallery import Made, fill, images, sine

Draws = Callable[..., Material]


def material(folder: Path, runs: Sequence[Made]) -> Material:
    return Material(fill(StorePaths(folder / "runs.duckdb"), runs))


@pytest.fixture
def store(tmp_path: Path) -> Callable[[Sequence[Made]], Material]:
    """Return what fills a store with runs."""
    return lambda runs: material(tmp_path, runs)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return three techniques, trained on mini and cub, with three seeds."""
    runs = images(3, ("fo_maml", "maml", "turtle"), (1,), test_tasks=20, validation_tasks=4)
    return material(tmp_path_factory.mktemp("images"), runs)


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return the runs of Figure 3.2 with three seeds, and 0 or 2 hidden layers."""
    return material(tmp_path_factory.mktemp("sine"), sine(3, layers=(0, 2)))
