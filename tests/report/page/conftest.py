"""Pages over made-up stores; each is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.report.material import Material
from mlbench.report.page import page
from mlbench.report.page.sections import figures
from mlbench.store.paths import StorePaths
from tests.gallery import BEGIN, Made, fill, images, odd_ones, sine
from tests.report.page.outline import Element, parsed

HOSTILE = "<img src=x onerror=window.pwned=1>"
ENDING = "</script><script>window.pwned=1</script>"


def study(folder: Path) -> StorePaths:
    """Return a store with a bit of everything."""
    runs = [
        *images(2, algorithms=("fo_maml", "maml", "turtle"), shots=(1,)),
        *sine(2, steps=(1,), layers=(0, 2)),
        *odd_ones(),
    ]
    return fill(StorePaths(folder / "runs.duckdb"), runs)


def hostile(folder: Path) -> StorePaths:
    """Return a store in which everything that can be is named so as to break a page."""
    settings = (("train_steps", 5), ("note", ENDING))
    runs = [
        Made(algorithm=HOSTILE, seed=seed, hyperparameters=settings[: 1 + seed % 2])
        for seed in range(4)
    ]
    runs.append(Made(algorithm="maml", seed=0))
    runs.append(
        Made(
            algorithm="maml",
            seed=7,
            status="failed",
            error=f"no loss {ENDING} '\"&amp; {HOSTILE}",
            until=0.5,
            protocol=HOSTILE,
            started=BEGIN,
        )
    )
    return fill(StorePaths(folder / "runs.duckdb"), runs)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out, which take most of the time, of a page that is not about them."""
    monkeypatch.setattr(figures, "FIGURES", {})


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    return study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def text(store: StorePaths) -> str:
    return page(Material(store), title="A study", paper=True)


@pytest.fixture(scope="session")
def root(text: str) -> Element:
    return parsed(text)


@pytest.fixture(scope="session")
def hostile_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(Material(hostile(tmp_path_factory.mktemp("hostile"))), title=f"A {HOSTILE} study")
