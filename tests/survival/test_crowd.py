"""Runs, readers, a foreign shell and random kills, all at once: nothing is lost, nobody fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def crowd(folder: Path, *words: str) -> dict[str, Any]:
    """Return what :mod:`tests.survival.crowd` found; it forks, and so wants its own process."""
    command = [sys.executable, "-m", "tests.survival.crowd", str(folder), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(found: dict[str, Any]) -> None:
    """Check what holds of every crowd."""
    assert found["troubles"] == []
    assert (found["lost"], found["doubled"], found["different"]) == (0, 0, 0)
    assert found["polls"] > 0


def test_a_crowd_of_some_seconds_loses_nothing_and_fails_nobody(tmp_path: Path) -> None:
    found = crowd(tmp_path, "3", "1", "1000")
    check(found)
    assert found["acknowledged"] >= 4 * 1_000


def test_a_crowd_of_a_minute_loses_nothing_and_fails_nobody(tmp_path: Path) -> None:
    found = crowd(tmp_path, "60", "2")
    check(found)
    assert found["killed"]["run"] >= 10
    assert min(found["killed"].values()) >= 10
    assert found["held"] >= 5
    assert found["acknowledged"] >= 4 * 8_000
