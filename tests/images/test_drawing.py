"""Drawing: colours, edges, outlines and textures against what they should be."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.images.drawing import (
    Dice,
    Numbers,
    centres,
    colour,
    coverage,
    grain,
    key_of,
    mix,
    settled,
    turn,
)
from mlbench.images.outlines import OUTLINES, SAMPLES, depth_at, depth_map
from mlbench.images.textures import TEXTURES, Surface, bands

few = settings(deadline=None, max_examples=25)
parts = st.floats(0, 1, exclude_max=True)
pairs = st.tuples(parts, parts).map(np.array)
SQUARE = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])


def surface(size: int) -> Surface:
    x, y = np.meshgrid(centres(size), centres(size))
    pixel = np.full((1, 1, 1), 2 / size, dtype=np.float32)
    return Surface(x[None], y[None], 1 - np.maximum(np.abs(x), np.abs(y))[None], pixel)


@few
@given(parts, parts, parts)
def test_colours_are_those_of_the_colour_circle(
    hue: float, saturation: float, value: float
) -> None:
    rgb = colour(*(np.array([[number]]) for number in (hue, saturation, value)))
    np.testing.assert_allclose(rgb[0], colorsys.hsv_to_rgb(hue, saturation, value), atol=1e-9)


@few
@given(st.floats(-0.4, 0.4))
def test_coverage_is_the_part_of_a_pixel_inside_a_straight_edge(edge: float) -> None:
    fine = (np.arange(1_000) + 0.5) / 1_000 - 0.5
    inside = (fine < edge).mean()
    found = coverage(np.array([edge], dtype=np.float32), 1.0)[0]
    assert found == pytest.approx(inside, abs=2e-3)


def test_dice_give_each_number_once_and_rows_alone() -> None:
    key = key_of("a", 1)
    rows = Dice(key, 0, 6, 10)
    first, second = rows.take(4), rows.between(0, 1, 6)
    np.testing.assert_array_equal(np.hstack((first, second))[2:4], Dice(key, 2, 4, 10).take(10))
    with pytest.raises(ValueError, match="0 numbers a row are left, not 1"):
        rows.take(1)
    assert key_of("a", 1) != key_of("a1") != key_of("a", 2)


def test_numbers_around_a_centre_stay_within_the_spread_and_gather_there() -> None:
    numbers = Dice(key_of("around"), 0, 4_000, 2).around(3.0, 0.5)
    assert np.abs(numbers - 3).max() < 0.5
    assert numbers.mean() == pytest.approx(3, abs=0.02)
    assert numbers.std() == pytest.approx(0.5 / np.sqrt(6), abs=0.01)  # a triangle's


@few
@given(st.floats(-2, 2))
def test_a_turn_lies_on_the_circle_and_on_the_grid(angle: float) -> None:
    cosine, sine = turn(np.array([angle]))
    assert cosine**2 + sine**2 == pytest.approx(1, abs=4 * 2.0**-20)
    np.testing.assert_array_equal(settled(cosine), cosine)
    assert (cosine * 2.0**20) % 1 == 0


def test_depth_of_a_square_is_the_distance_to_its_nearest_side_or_corner() -> None:
    points = np.array([(0, 0.2), (0.4, 0.1), (0, 0.75), (0.8, 0.9), (-0.5, 0.2)], dtype=np.float32)
    expected = [0.3, 0.1, -0.25, -0.5, 0.0]
    found = depth_at(depth_map(SQUARE), *points.T[:, None])
    np.testing.assert_allclose(found[0], expected, atol=0.01)


def test_depth_does_not_depend_on_which_way_around_the_corners_go() -> None:
    np.testing.assert_allclose(depth_map(SQUARE), depth_map(SQUARE[::-1]), atol=1e-6)


@pytest.mark.parametrize("family", OUTLINES)
@few
@given(p=pairs)
def test_an_outline_fits_its_map_and_is_no_sliver(family: str, p: Numbers) -> None:
    corners = OUTLINES[family](p)
    assert np.abs(corners).max() < 1.25
    depths = depth_map(corners)
    assert np.isfinite(depths).all()
    assert depths.shape == (SAMPLES, SAMPLES)
    assert 0.06 < (depths > 0).mean() < 0.65
    rim = np.concatenate((depths[[0, -1]].ravel(), depths[:, [0, -1]].ravel()))
    assert (rim < 0).all()


@pytest.mark.parametrize("family", OUTLINES)
@few
@given(p=pairs)
def test_depth_covers_the_area_of_the_outline(family: str, p: Numbers) -> None:
    x, y = OUTLINES[family](p).T
    area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
    cell = 2.5 / (SAMPLES - 1)
    depths = depth_map(np.stack((x, y), axis=1))
    assert (coverage(depths, cell).sum() * cell**2) == pytest.approx(area, rel=0.06)


@pytest.mark.parametrize("family", TEXTURES)
@few
@given(p=st.tuples(parts, parts, parts, parts).map(np.array))
def test_a_texture_has_tones_from_0_to_1_and_the_same_ones_at_any_size(
    family: str, p: Numbers
) -> None:
    small, large = (TEXTURES[family](surface(size), p) for size in (30, 120))
    assert small.shape == (1, 30, 30)
    assert small.min() >= 0
    assert small.max() <= 1
    averaged = large.reshape(1, 30, 4, 30, 4).mean(axis=(2, 4))
    assert np.abs(averaged - small).mean() < 0.04


def test_bands_have_the_frequency_and_the_share_of_dark_asked_for() -> None:
    x = np.linspace(-2, 2, 4_000, dtype=np.float32, endpoint=False)
    tone = bands(x, np.full(1, 1e-3, dtype=np.float32), 1.5, 0.4)
    assert tone.mean() == pytest.approx(0.6, abs=0.01)
    assert np.count_nonzero(np.diff(tone > 0.5)) == 2 * 6


def test_grain_is_the_lattice_itself_at_the_usual_size_and_between_elsewhere() -> None:
    usual, large = (grain(Dice(key_of("grain"), 0, 2, 28 * 28), size) for size in (28, 84))
    lattice = Dice(key_of("grain"), 0, 2, 28 * 28).between(-1, 1, 28 * 28).reshape(2, 28, 28)
    np.testing.assert_allclose(usual, lattice, atol=1e-5)
    np.testing.assert_allclose(large[:, 1::3, 1::3], lattice, atol=1e-5)
    assert np.abs(large).max() <= 1


def test_mixing_lays_one_picture_over_another() -> None:
    below, above, cover = (np.array(x, dtype=np.float32) for x in ([0.2] * 3, [1] * 3, [0, 0.5, 1]))
    np.testing.assert_allclose(mix(below, above, cover), [0.2, 0.6, 1], rtol=1e-6)
