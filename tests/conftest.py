"""What every test may rely on: one thread, no plugins or data of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read once, when numpy is imported: threads of a product that wait for a core do so by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch

from tests.served import Site, site

# Cases are made of the plugins that are found; a user's own packed images are not among them.
os.environ["MLBENCH_DATA"] = str(Path(__file__).with_name("no-data-here"))
settings.register_profile("unhurried", deadline=None)  # shared machines pause at times
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # a run before this test may have taken more


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "data-home"))
    monkeypatch.delenv("MLBENCH_PLUGINS", raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Lend a web server that is asked without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with site() as lent:
        yield lent


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real images, or skip."""
    folder = os.environ.get("MLBENCH_TEST_DATA")
    if not folder:
        pytest.skip("MLBENCH_TEST_DATA names no folder of real images")
    return Path(folder)
