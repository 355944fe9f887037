"""Images to pack, drawn here or, where they are present, real."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def paint() -> Callable[[Path, int], None]:
    """Return a function that writes a small image of one colour, another for each number."""

    def write(path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        red, green = divmod(number, 256)
        Image.new("RGB", (4, 3 + number % 2), (red, green, 128)).save(path)

    return write


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real images, or skip."""
    folder = os.environ.get("MLBENCH_TEST_DATA")
    if not folder:
        pytest.skip("MLBENCH_TEST_DATA names no folder of real images")
    return Path(folder)
