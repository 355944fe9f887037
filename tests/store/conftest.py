"""A store in a temporary folder, and runs that never happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


@pytest.fixture(scope="session")
def fake_run() -> type[FakeRun]:
    return FakeRun
