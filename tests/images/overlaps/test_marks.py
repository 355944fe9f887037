"""Marks: one image is known again however it was stored, and others are not taken for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from math import cos, pi
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mlbench.images.overlaps.marks import look_of, mark_of
from mlbench.images.pack import MARK

Change = Callable[[Image.Image], Image.Image]


def scene(seed: int, size: tuple[int, int] = (500, 375)) -> Image.Image:
    """Return an image of blurred patches, with finer ones on them, as photographs have."""
    rng = np.random.default_rng(seed)
    patches = [
        Image.fromarray(rng.integers(40, 216, (side, side, 3), dtype=np.uint8)).resize(size)
        for side in (5, 12, 40)
    ]
    return Image.blend(Image.blend(patches[0], patches[1], 0.4), patches[2], 0.2)


def stored(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def bits(image: Image.Image) -> int:
    return int.from_bytes(look_of(image), "big")


CHANGES: dict[str, Change] = {
    "compressed": lambda image: stored(image, 60),
    "compressed much": lambda image: stored(image, 20),
    "squashed": lambda image: image.resize((84, 84)),
    "squashed and compressed": lambda image: stored(image.resize((84, 84)), 75),
    "enlarged": lambda image: image.resize((800, 601)),
    "by boxes": lambda image: image.resize((84, 84), Image.Resampling.BOX),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_has_the_same_look_but_for_a_few_bits(change: str) -> None:
    for seed in range(5):
        image = scene(seed)
        assert (bits(image) ^ bits(CHANGES[change](image))).bit_count() <= 6


def test_different_images_differ_in_many_bits() -> None:
    looks = [bits(scene(seed, (120, 90))) for seed in range(30)]
    assert min((one ^ other).bit_count() for one, other in combinations(looks, 2)) > 14


def test_a_mirrored_image_looks_otherwise() -> None:
    image = scene(0)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert (bits(image) ^ bits(mirrored)).bit_count() > 14


def test_the_look_is_that_of_whole_numbers() -> None:
    """Computed with Python's integers, in which no sum is rounded."""
    image = scene(3)
    small = image.convert("L").resize((16, 16), Image.Resampling.BILINEAR)
    grey = np.asarray(small).tolist()
    waves = [[round(4096 * cos(pi * k * (2 * n + 1) / 32)) for n in range(16)] for k in range(16)]
    places = sorted(
        ((down, across) for down in range(16) for across in range(16)),
        key=lambda place: (sum(place), place[0]),
    )
    expected = 0
    for down, across in places[1:65]:
        total = sum(
            waves[down][y] * grey[y][x] * waves[across][x] for y in range(16) for x in range(16)
        )
        expected = 2 * expected + (total > 0)
    assert bits(image) == expected


@pytest.mark.parametrize("level", [0, 17, 255])
def test_flat_images_all_have_the_empty_look(level: int) -> None:
    assert bits(Image.new("RGB", (50, 40), (level, level, level))) == 0


def test_content_is_that_of_the_pixels_whatever_file_they_come_from(tmp_path: Path) -> None:
    image = scene(1)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    marks = [mark_of(Image.open(path).convert("RGB")) for path in sorted(tmp_path.iterdir())]
    assert marks[0] == marks[1]
    assert marks[0].dtype == MARK
    assert marks[0].shape == (1,)


def test_content_tells_one_level_of_one_pixel_and_the_shape() -> None:
    pixels = np.asarray(scene(2, (6, 4)))
    before = mark_of(Image.fromarray(pixels))["content"]
    assert mark_of(Image.fromarray(pixels.reshape(6, 4, 3)))["content"] != before
    for place in ((0, 0, 0), (-1, -1, -1)):
        changed = pixels.copy()
        changed[place] ^= 1
        assert mark_of(Image.fromarray(changed))["content"] != before
