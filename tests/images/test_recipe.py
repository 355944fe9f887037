"""From a decoded image to pixels: every rule against a computation of its own."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mlbench.errors import DataError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.pack import Pack
from mlbench.images.packing import add
from mlbench.images.pictures import ArrayImage, Box, FileImage
from mlbench.images.recipe import RESIZES, Recipe, Resize

Draw = Callable[..., Path]
Tiny = type[PackedImages]
Pixels = NDArray[np.uint8]
sizes = st.integers(1, 40)


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def applied(recipe: Recipe, pixels: Pixels, box: Box | None = None) -> Pixels:
    picture = ArrayImage(pixels[None], 0, Path("noise.npy"), box)
    return recipe.apply(picture, picture.decode())


def resized(pixels: Pixels, size: int) -> Pixels:
    """Return pixels brought to a square by Pillow's bicubic interpolation."""
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("down", "right"), [(2, 2), (2, 4), (3, 1), (1, 5), (10, 3)])
def test_area_is_the_average_of_what_a_pixel_covers(down: int, right: int) -> None:
    rng = np.random.default_rng(0)
    averages = rng.integers(60, 190, (8, 1, 8, 1, 3))
    # What is added to the averages sums up to zero along every row and column of a block.
    above = (2 * np.arange(down) - down + 1)[:, None, None, None] * rng.integers(
        -3, 4, (8, 1, 8, 1, 3)
    )
    beside = (2 * np.arange(right) - right + 1)[:, None] * rng.integers(-3, 4, (8, 1, 8, 1, 3))
    pixels = (averages + above + beside).astype(np.uint8).reshape(8 * down, 8 * right, 3)
    found = applied(Recipe(image_size=8, resize="area"), pixels)
    np.testing.assert_array_equal(found, averages[:, 0, :, 0])


def test_area_repeats_the_pixels_of_smaller_images() -> None:
    pixels = noise(4, 2)
    expected = pixels.repeat(2, axis=0).repeat(4, axis=1)
    found = applied(Recipe(image_size=8, resize="area"), pixels)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("side", [8, 16, 24])
def test_resize_crop_resizes_the_shorter_side_and_cuts_out_the_middle(
    side: int, *, upright: bool
) -> None:
    pixels = noise(side, 3 * side)
    if upright:
        pixels = pixels.swapaxes(0, 1).copy()
    found = applied(Recipe(image_size=8, resize="resize-crop"), pixels)
    whole = Image.fromarray(pixels).resize(
        (8, 24) if upright else (24, 8), Image.Resampling.BICUBIC
    )
    middle = whole.crop((0, 8, 8, 16) if upright else (8, 0, 16, 8))
    np.testing.assert_allclose(found.astype(int), np.asarray(middle).astype(int), atol=1)


@given(height=sizes, width=sizes, axis=st.sampled_from([0, 1]))
def test_what_resize_crop_cuts_out_has_as_much_on_either_side(
    height: int, width: int, axis: int
) -> None:
    recipe = Recipe(image_size=8, resize="resize-crop")
    pixels = noise(height, width)
    found = applied(recipe, pixels).astype(int)
    mirrored = np.flip(applied(recipe, np.flip(pixels, axis).copy()), axis).astype(int)
    assert np.abs(found - mirrored).max() <= 1


@pytest.mark.parametrize("upright", [False, True])
def test_resize_crop_leaves_the_ends_out_and_the_other_rules_do_not(*, upright: bool) -> None:
    pixels = np.zeros((24, 80, 3), dtype=np.uint8)
    pixels[:, :10] = pixels[:, -10:] = 255
    if upright:
        pixels = pixels.swapaxes(0, 1).copy()
    highest = {rule: applied(Recipe(image_size=8, resize=rule), pixels).max() for rule in RESIZES}
    assert highest["resize-crop"] == 0
    assert min(highest["squash-bicubic"], highest["area"]) > 200


@given(height=sizes, width=sizes)
def test_squash_is_bicubic_whatever_the_aspect(height: int, width: int) -> None:
    pixels = noise(height, width)
    found = applied(Recipe(image_size=8), pixels)
    expected = pixels if (height, width) == (8, 8) else resized(pixels, 8)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rule", RESIZES)
def test_an_image_of_the_right_size_is_left_alone(rule: Resize) -> None:
    pixels = noise(8, 8)
    np.testing.assert_array_equal(applied(Recipe(image_size=8, resize=rule), pixels), pixels)


@pytest.mark.parametrize("rule", RESIZES)
def test_grey_is_the_luma_of_the_resized_image(rule: Resize) -> None:
    pixels = noise(20, 28)
    colour = applied(Recipe(image_size=8, resize=rule), pixels)
    grey = applied(Recipe(image_size=8, resize=rule, channels=1), pixels)
    assert grey.shape == (8, 8, 1)
    expected = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[..., 0], expected, atol=0.51)


@pytest.mark.parametrize("rule", RESIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_inverting_makes_dark_light_after_all_else(rule: Resize, channels: int) -> None:
    recipe = Recipe(image_size=8, resize=rule, channels=channels)
    plain = applied(recipe, noise(20, 28))
    inverted = applied(replace(recipe, invert=True), noise(20, 28))
    assert inverted.dtype == np.uint8
    np.testing.assert_array_equal(inverted, 255 - plain.astype(int))


def test_a_grey_image_has_three_equal_colours() -> None:
    grey = noise(8, 8)[..., 0]
    picture = ArrayImage(grey[None], 0, Path("grey.npy"))
    found = Recipe(image_size=8).apply(picture, picture.decode())
    np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=-1))


def test_truth_is_white() -> None:
    paper = noise(8, 8)[..., 0] > 127
    picture = ArrayImage(paper[None], 0, Path("drawings.npy"))
    found = Recipe(image_size=8, channels=1).apply(picture, picture.decode())
    np.testing.assert_array_equal(found[..., 0], np.where(paper, 255, 0))


@pytest.mark.parametrize("rule", RESIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_box_is_cut_out_before_anything_else(rule: Resize, channels: int) -> None:
    pixels = noise(30, 40)
    recipe = Recipe(image_size=8, resize=rule, channels=channels)
    found = applied(replace(recipe, crop="bbox"), pixels, (5.0, 3.0, 20.0, 12.0))
    np.testing.assert_array_equal(found, applied(recipe, pixels[3:15, 5:25]))
    np.testing.assert_array_equal(
        applied(recipe, pixels, (5.0, 3.0, 20.0, 12.0)), applied(recipe, pixels)
    )


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((5.4, 2.6, 20.0, 12.0), slice(3, 15), slice(5, 25)),
        ((-4.0, -2.0, 14.0, 12.0), slice(0, 10), slice(0, 10)),
        ((30.0, 20.0, 100.0, 100.0), slice(20, 30), slice(30, 40)),
        ((-5.0, -5.0, 500.0, 500.0), slice(0, 30), slice(0, 40)),
    ],
    ids=["between pixels", "left and above", "right and below", "all around"],
)
def test_a_box_beyond_the_image_is_clipped(box: Box, rows: slice, columns: slice) -> None:
    pixels = noise(30, 40)
    found = applied(Recipe(image_size=8, crop="bbox"), pixels, box)
    np.testing.assert_array_equal(found, applied(Recipe(image_size=8), pixels[rows, columns]))


@pytest.mark.parametrize(
    "box",
    [(40.0, 0.0, 5.0, 5.0), (0.0, -9.0, 5.0, 9.0), (3.0, 3.0, 0.2, 5.0), (9.0, 9.0, -5.0, 5.0)],
)
def test_a_box_without_a_pixel_of_the_image_is_refused(box: Box) -> None:
    with pytest.raises(DataError, match=r"bounding box of noise\.npy\[0\] lies outside the image;"):
        applied(Recipe(image_size=8, crop="bbox"), noise(30, 40), box)


def test_an_image_without_a_box_cannot_be_cut_to_it(tiny: Tiny, tree: Path, home: Path) -> None:
    recipe = replace(tiny.recipe(), crop="bbox")
    with pytest.raises(DataError, match=r"ant/0\.png has no bounding box; add it without --crop b"):
        add(tiny, find_originals(tiny, tree), recipe=recipe)
    assert not (home / "tiny").exists()


def test_images_of_a_file_and_of_an_array_become_the_same_pixels(
    tmp_path: Path, draw: Draw
) -> None:
    path = draw(tmp_path / "1.png", 0, size=(40, 30))
    pixels = np.asarray(Image.open(path))
    recipe = Recipe(image_size=8, resize="resize-crop", crop="bbox")
    file = FileImage(path, (4.0, 5.0, 21.0, 13.0))
    assert file.size() == (40, 30)
    np.testing.assert_array_equal(
        recipe.apply(file, file.decode()), applied(recipe, pixels, file.box)
    )


RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "area": {"resize": "area"},
    "resize-crop": {"resize": "resize-crop"},
    "smaller": {"image_size": 6},
    "grey": {"channels": 1},
    "inverted": {"invert": True},
}


def test_another_recipe_gives_other_fingerprints_and_is_on_record(
    tiny: Tiny, tree: Path, draw: Draw
) -> None:
    for number, file in enumerate(sorted(tree.rglob("*.png"))):
        draw(file, number, size=(20, 14))
    packs, drawn = set(), set()
    for change in RECIPES.values():
        recipe = replace(tiny.recipe(), **change)
        manifest = add(tiny, find_originals(tiny, tree), recipe=recipe, replace=True).manifest
        assert Pack.open("tiny").manifest.recipe == manifest.recipe == recipe
        assert Pack.open("tiny").pixels().shape == (12, *recipe.shape)
        assert tiny().input_shape == (recipe.channels, recipe.image_size, recipe.image_size)
        packs.add(manifest.fingerprint)
        drawn.add(tiny().fingerprint)
    assert len(packs) == len(drawn) == len(RECIPES)


def test_recipes_that_give_the_same_pixels_give_the_same_episodes(tiny: Tiny, tree: Path) -> None:
    """Images of the right size are left alone by every rule, but the pack says which it was."""
    packs, drawn = set(), set()
    for rule in RESIZES:
        recipe = replace(tiny.recipe(), resize=rule)
        added = add(tiny, find_originals(tiny, tree), recipe=recipe, replace=True)
        packs.add(added.manifest.fingerprint)
        drawn.add(tiny().fingerprint)
    assert len(packs) == len(RESIZES)
    assert len(drawn) == 1


def test_another_recipe_is_other_content(tiny: Tiny, tree: Path) -> None:
    add(tiny, find_originals(tiny, tree))
    with pytest.raises(DataError, match="already, with other content"):
        add(tiny, find_originals(tiny, tree), recipe=replace(tiny.recipe(), resize="area"))


def test_the_command_that_packs_these_data_again_has_the_recipe(tiny: Tiny, tree: Path) -> None:
    recipe = replace(tiny.recipe(), resize="area", image_size=16)
    command = add(tiny, find_originals(tiny, tree), recipe=recipe).manifest.add_command
    assert shlex.split(command) == [
        *("mlbench", "data", "add", "tiny", str(tree)),
        *("--resize", "area", "--size", "16", "--replace"),
    ]
    plain = replace(tiny.recipe(), image_size=84)
    command = add(tiny, find_originals(tiny, tree), recipe=plain, replace=True).manifest.add_command
    assert shlex.split(command) == ["mlbench", "data", "add", "tiny", str(tree), "--replace"]


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    for mode, clear in (("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))):
        Image.new(mode, (4, 4), clear).save(tmp_path / f"{mode}.png")
        assert set(FileImage(tmp_path / f"{mode}.png").decode().tobytes()) == {255}
    Image.new("RGBA", (4, 4), (255, 0, 0, 255)).save(tmp_path / "solid.png")
    assert FileImage(tmp_path / "solid.png").decode().getpixel((0, 0)) == (255, 0, 0)
