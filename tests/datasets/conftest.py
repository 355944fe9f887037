"""Images to pack, drawn here or, where they are present, real."""

from __future__ import annotations

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
