"""A run that is killed at any point, and gone on with, ends with the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def killed(folder: Path, case: str, kills: int, seed: int) -> dict[str, Any]:
    """Return what :mod:`tests.survival.kill` says; it forks, and so wants a process of its own."""
    command = [sys.executable, "-m", "tests.survival.kill", str(folder / "runs.duckdb")]
    done = subprocess.run(
        [*command, case, str(kills), str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "episodes"), [("sine", 300 + 6 * 20 + 500), ("images", 80 + 5 * 8 + 2 * 24)]
)
def test_fifty_kills_leave_the_same_episodes_validations_and_parameters(
    tmp_path: Path, case: str, episodes: int
) -> None:
    found = killed(tmp_path, case, 50, seed=7)
    assert found["different"] == []
    assert found["kills"] == 50
    assert found["episodes"] == episodes
    assert found["began"] > 20  # a busy machine kills some before their first record
    assert len(found["hits"]) > 2, "kills come at all points"
