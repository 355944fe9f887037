"""Pairs of images side by side, so that a person can judge whether they are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlbench.images.sheet import PAPER, block, shortened

TILE = 112  # pixels a side
MARGIN = 12  # pixels around pairs
ACROSS = 4  # pairs in a row
MOST = 80  # pairs on a sheet


def pair_sheet(
    rows: Sequence[dict[str, Any]], first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> Image.Image:
    """Return a sheet of the first pairs, each with its classes, its kind and its distance.

    Args:
        rows: As :func:`mlbench.images.overlaps.report.rows_of` gives them; one at least.
        first: Packed images a.
        second: Packed images b.
    """
    cells = [cell(row, first[row["a_image"]], second[row["b_image"]]) for row in rows[:MOST]]
    width = max(each.width for each in cells) + MARGIN
    height = cells[0].height + MARGIN
    across, down = min(ACROSS, len(cells)), -(-len(cells) // ACROSS)
    sheet = Image.new("RGB", (across * width + MARGIN, down * height + MARGIN), PAPER)
    for place, each in enumerate(cells):
        row, column = divmod(place, ACROSS)
        sheet.paste(each, (MARGIN + column * width, MARGIN + row * height))
    return sheet


def cell(row: dict[str, Any], a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Image.Image:
    """Return one pair."""
    about = f"{row['kind']}, {row['distance']}"
    tiles = [tile(a), tile(b)]
    return block(
        f"{shortened(row['a_class'])} | {shortened(row['b_class'])} ({about})", [("", tiles)]
    )


def tile(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return a packed image, ``(height, width, channels)``, as large as all others."""
    image = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
    return image.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
