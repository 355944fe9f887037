"""Pictures of data: a contact sheet of classes, and an episode as a learner is handed it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mlbench.contract import Batch, TaskBatch
from mlbench.images.split import ImageSplit

TILE = 56  # pixels that an image is enlarged to at least
GAP, LINE = 4, 18  # pixels between tiles, and of a line of text
PAPER, INK, QUIET = (255, 255, 255), (20, 20, 20), (110, 110, 110)
LONGEST = 28  # letters of a class's name


def contact_sheet(
    splits: dict[str, ImageSplit], *, classes: int = 12, images: int = 10
) -> Image.Image:
    """Return a sheet with a row per class: the first images of some classes of each split.

    Args:
        splits: By heading.
        classes: Rows of a split at most, taken evenly from all its classes.
        images: Images of a row at most.
    """
    blocks = []
    for heading, split in splits.items():
        rows = []
        count = len(split.class_names)
        for place in np.linspace(0, count - 1, min(classes, count)).astype(int):
            first, size = int(split.starts[place]), min(images, split.class_sizes[place])
            pixels = split.gather(np.arange(first, first + size))
            rows.append((shortened(split.class_names[place]), tiles_of(pixels)))
        shown = f" ({len(rows)} are shown)" if len(rows) < count else ""
        about = f"{heading}: {count} classes{shown}, {split.count} images"
        blocks.append(block(about, rows))
    return stacked(blocks)


def episode_sheet(task: TaskBatch, heading: str) -> Image.Image:
    """Return one episode: the support set with a row per label, then the queries as they come.

    Args:
        task: Without the leading dimension; images in [0, 1].
        heading: What stands above.
    """
    support, query = task
    labels = sorted(set(support.y.tolist()))
    rows = [
        (f"support {label}", tiles_of(levels(support.x[support.y == label]))) for label in labels
    ]
    return stacked(
        [block(heading, rows), block("queries, as they come, with their labels", queries(query))]
    )


def queries(query: Batch) -> list[tuple[str, list[Image.Image]]]:
    """Return rows of queries, each with its label in a corner."""
    tiles = tiles_of(levels(query.x))
    for tile, label in zip(tiles, query.y.tolist(), strict=True):
        draw = ImageDraw.Draw(tile)
        text = str(label)
        draw.rectangle((0, 0, 4 + 7 * len(text), 13), fill=PAPER)
        draw.text((2, 0), text, fill=INK, font=font())
    width = 16
    return [("", tiles[start : start + width]) for start in range(0, len(tiles), width)]


def levels(x: Tensor) -> Tensor:
    """Return images in [0, 1] as uint8."""
    return (x * 255).round().to(torch.uint8)


def tiles_of(pixels: Tensor) -> list[Image.Image]:
    """Return images, ``(n, channels, height, width)`` uint8, in colour; small ones enlarged."""
    times = -(-TILE // min(pixels.shape[-2:]))
    colour = pixels.expand(-1, 3, -1, -1).repeat_interleave(times, -1).repeat_interleave(times, -2)
    return [Image.fromarray(each) for each in colour.movedim(1, -1).contiguous().numpy()]


def block(heading: str, rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Return a heading and rows of tiles, each with its name on the left."""
    indent = max((text_width(name) for name, _ in rows), default=0)
    indent += 2 * GAP if indent else 0
    width = max([text_width(heading), *(row_width(tiles, indent) for _, tiles in rows)])
    height = LINE + sum(tiles[0].height + GAP for _, tiles in rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((0, 0), heading, fill=INK, font=font())
    top = LINE
    for name, tiles in rows:
        draw.text((0, top), name, fill=QUIET, font=font())
        for place, tile in enumerate(tiles):
            sheet.paste(tile, (indent + place * (tile.width + GAP), top))
        top += tiles[0].height + GAP
    return sheet


def row_width(tiles: Sequence[Image.Image], indent: int) -> int:
    """Return the pixels that a row needs."""
    return indent + sum(tile.width + GAP for tile in tiles)


def stacked(blocks: Sequence[Image.Image]) -> Image.Image:
    """Return blocks one below the other, with a margin."""
    margin = 3 * GAP
    width = max(each.width for each in blocks) + 2 * margin
    height = sum(each.height + margin for each in blocks) + margin
    sheet = Image.new("RGB", (width, height), PAPER)
    top = margin
    for each in blocks:
        sheet.paste(each, (margin, top))
        top += each.height + margin
    return sheet


def shortened(name: str) -> str:
    """Return a class's name, cut where it is long."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def text_width(text: str) -> int:
    """Return the pixels that a text needs."""
    return int(font().getlength(text)) + 1 if text else 0


def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all texts."""
    return ImageFont.load_default(12)
