"""Pictures of data: every image that should be there is there, where its label says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mlbench.contract import Batch, TaskBatch
from mlbench.images import ImageSplit
from mlbench.images.sheet import contact_sheet, episode_sheet, tiles_of

COLOURS = np.array([(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10)], dtype=np.uint8)


def split_of(*sizes: int) -> ImageSplit:
    """Return classes of one colour each, 8x8."""
    images = np.repeat(COLOURS[: len(sizes)], sizes, axis=0)[:, None, None, :]
    names = tuple("abcd"[: len(sizes)])
    return ImageSplit(np.tile(images, (1, 8, 8, 1)), names, sizes)


def tiles(sheet: Image.Image, colour: int, side: int = 56) -> float:
    """Return how many tiles of a colour a sheet holds."""
    pixels = np.asarray(sheet).reshape(-1, 3)
    return float((pixels == COLOURS[colour]).all(axis=1).sum() / side**2)


def test_a_contact_sheet_shows_the_first_images_of_every_class() -> None:
    sheet = contact_sheet({"train": split_of(3, 5), "test": split_of(1)}, images=4)
    assert tiles(sheet, 0) == 3 + 1
    assert tiles(sheet, 1) == 4


def test_of_many_classes_some_are_shown_the_first_and_the_last_among_them() -> None:
    sheet = contact_sheet({"train": split_of(1, 1, 1, 1)}, classes=2)
    assert [tiles(sheet, colour) for colour in range(4)] == [1, 0, 0, 1]


def test_turned_classes_are_shown_turned() -> None:
    images = np.zeros((1, 56, 56, 3), dtype=np.uint8)
    images[:, :28, :28] = COLOURS[0]  # a corner on the upper left
    sheet = contact_sheet({"train": ImageSplit(images, ("a",), (1,)).turned()})
    corners = (np.asarray(sheet) == COLOURS[0]).all(axis=2)
    assert corners.sum() == 4 * 28**2
    rows = np.flatnonzero(corners.any(axis=1))
    tops = [int(block[0]) for block in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    # Counter-clockwise, it goes to the lower left, the lower right and the upper right.
    assert np.diff(tops).tolist() == [60 + 28, 60, 60 - 28]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_episode_shows_every_image_it_has(channels: int) -> None:
    levels = torch.tensor([0.2, 0.4, 0.6])
    support = Batch(levels.view(3, 1, 1, 1).expand(-1, channels, 8, 8), torch.arange(3))
    order = [2, 0, 1, 1, 0, 2]
    query = Batch(support.x[order], torch.tensor(order))
    sheet = np.asarray(episode_sheet(TaskBatch(support, query), "an episode"))
    for level in levels.tolist():
        shown = int((sheet == round(255 * level)).all(axis=2).sum())
        corners = 2 * 12 * 14  # of both queries, where their label stands
        assert 3 * 56**2 - corners <= shown < 3 * 56**2


def test_images_are_enlarged_by_whole_pixels() -> None:
    pixels = torch.arange(28 * 28).remainder(251).to(torch.uint8).view(1, 1, 28, 28)
    (tile,) = tiles_of(pixels)
    assert tile.size == (56, 56)
    np.testing.assert_array_equal(np.asarray(tile)[::2, ::2, 0], pixels[0, 0].numpy())
