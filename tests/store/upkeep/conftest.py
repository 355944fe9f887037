"""Two stores in a temporary folder, ours and a colleague's, and something that kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.store.paths import StorePaths
from tests.store.upkeep.stores import Reaper


@pytest.fixture
def theirs(tmp_path: Path) -> StorePaths:
    (tmp_path / "theirs").mkdir()
    return StorePaths(tmp_path / "theirs" / "runs.duckdb")


@pytest.fixture
def reaper(monkeypatch: pytest.MonkeyPatch) -> Reaper:
    return Reaper(monkeypatch)
