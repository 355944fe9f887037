"""What every test may rely on: one thread, no plugins or data of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # shared machines pause at times
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "data-home"))
    monkeypatch.delenv("MLBENCH_PLUGINS", raising=False)
