"""A store of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.store.paths import StorePaths


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")
