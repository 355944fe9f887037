"""Overlap: what is one image is found, what only looks like it is not, and no partner is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlbench.images.overlaps import pairs as overlap
from mlbench.images.overlaps.likeness import SmallCopies
from mlbench.images.overlaps.pairs import PAIR, Judge, Side, find_pairs
from mlbench.images.pack import MARK
from mlbench.images.recipe import Recipe

RECIPE = Recipe(image_size=32, channels=1)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
SCENES = NOISE.repeat(8, axis=1).repeat(8, axis=2)[..., None]
"""Forty images of 16 patches, ``(40, 32, 32, 1)``."""


def side(
    looks: Sequence[int],
    pixels: Any = None,
    *,
    contents: Sequence[int] | None = None,
    classes: Sequence[int] | None = None,
    recipe: Recipe = RECIPE,
    other: int = 0,
) -> Side:
    """Return a side whose originals all differ, unless contents says otherwise.

    Args:
        looks: Perceptual hashes.
        pixels: By default, as many different images.
        contents: A number for each original.
        classes: The class of each; by default, there is one.
        recipe: How the pixels were made.
        other: Added to the contents, so that those of two sides differ.
    """
    marks = np.zeros(len(looks), MARK)
    marks["look"] = np.array(looks, dtype=np.uint64)
    numbers = range(1000 * other, 1000 * other + len(looks)) if contents is None else contents
    marks["content"] = np.frombuffer(b"".join(n.to_bytes(16, "big") for n in numbers), "V16")
    if pixels is None:
        pixels = SCENES[: len(looks)]
    kinds = np.array(classes if classes is not None else [0] * len(looks), dtype=np.int64)
    return Side(marks, np.asarray(pixels), kinds, recipe)


def found(first: Side, second: Side | None = None) -> list[tuple[int, int, int, bool]]:
    pairs = find_pairs(first, second)
    assert pairs.dtype == PAIR
    return [tuple(pair) for pair in pairs.tolist()]


def lowest(bits: int) -> int:
    return (1 << bits) - 1


def test_equal_originals_are_exactly_one_whatever_became_of_their_pixels() -> None:
    small = Recipe(image_size=16, channels=3, resize="resize-crop")
    theirs = np.zeros((2, 16, 16, 3), dtype=np.uint8)
    assert found(
        side([lowest(64), 0], contents=[7, 8]),
        side([0, lowest(32)], theirs, contents=[8, 9], recipe=small),
    ) == [(1, 0, 0, True)]


def test_equal_packed_pixels_are_exactly_one() -> None:
    assert found(side([5]), side([4], SCENES[:1], other=1)) == [(0, 0, 1, True)]


def test_a_copy_in_another_light_is_nearly_one() -> None:
    darker = (SCENES[:1] * 0.6 + 20).astype(np.uint8)
    assert found(side([0]), side([1], darker, other=1)) == [(0, 0, 1, False)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_copy_of_another_size_is_nearly_one(channels: int) -> None:
    recipe = Recipe(image_size=84, channels=channels)
    large = NOISE[:1].repeat(21, axis=1).repeat(21, axis=2)[..., None].repeat(channels, axis=3)
    assert found(side([0]), side([0], large, recipe=recipe, other=1)) == [(0, 0, 0, False)]


def test_a_copy_with_dark_and_light_exchanged_by_the_recipe_is_nearly_one() -> None:
    recipe = replace(RECIPE, invert=True)
    inverted = side([0], 255 - SCENES[:1], recipe=recipe, other=1)
    assert found(side([0]), inverted) == [(0, 0, 0, False)]
    assert found(side([0]), side([0], 255 - SCENES[:1], other=1)) == []


def test_equal_looks_of_images_that_differ_are_a_coincidence() -> None:
    assert found(side([0], SCENES[:1]), side([0], SCENES[1:2], other=1)) == []


def test_flat_images_are_one_only_exactly() -> None:
    grey = np.full((1, 32, 32, 1), 100, dtype=np.uint8)
    assert found(side([0], grey), side([0], grey + 1, other=1)) == []
    assert found(side([0], grey), side([0], grey, other=1)) == [(0, 0, 0, True)]
    inverted = side([0], grey, recipe=replace(RECIPE, invert=True), other=1)
    assert found(side([0], grey), inverted) == []


def test_what_is_too_faint_to_be_seen_makes_no_images_one() -> None:
    shape = (SCENES[:1] > 210).astype(np.uint8)
    assert found(side([0], 100 + 9 * shape), side([0], 100 * shape, other=1)) == [(0, 0, 0, False)]
    assert found(side([0], 100 + shape), side([0], 100 * shape, other=1)) == []


def test_looks_may_differ_in_ten_bits() -> None:
    brighter = (SCENES[:1] * 0.9 + 20).astype(np.uint8)
    assert found(side([0]), side([lowest(10)], brighter, other=1)) == [(0, 0, 10, False)]
    assert found(side([0]), side([lowest(11)], brighter, other=1)) == []


@pytest.mark.parametrize("recipe", [{"crop": "bbox"}, {"resize": "resize-crop"}])
def test_where_pixels_show_different_parts_looks_must_be_closer(recipe: dict[str, Any]) -> None:
    cut = replace(RECIPE, **recipe)
    for bits, expected in ((4, [(0, 0, 4, False)]), (5, [])):
        other = side([lowest(bits)], SCENES[1:2], recipe=cut, other=1)
        assert found(side([0]), other) == expected


def test_one_data_set_alone_is_compared_with_itself_each_pair_once() -> None:
    pixels = SCENES[[0, 1, 0, 2]]
    assert found(side([0, lowest(40), 1, 0], pixels)) == [(0, 2, 1, True)]


def test_of_an_image_and_a_class_the_nearest_pair_is_kept() -> None:
    same, darker = SCENES[[0, 0]], (SCENES[[0, 0]] * 0.9).astype(np.uint8)
    theirs = side([0, 3], darker, other=1)
    crosswise = {(0, 1, 2, False), (1, 0, 2, False)}
    straight = {(0, 0, 0, False), (1, 1, 0, False)}
    assert set(found(side([0, 3], same, classes=[4, 4]), theirs)) == straight
    assert set(found(side([0, 3], same, classes=[4, 5]), theirs)) == straight | crosswise


def test_an_exact_pair_is_nearer_than_one_with_a_closer_look() -> None:
    judge = Judge(side([0, 0]), side([0, 1], other=1))
    exact = [(0, 1, 1, True), (1, 0, 0, True)]
    assert judge.nearest(np.array([(0, 0, 0, False), *exact], dtype=PAIR)).tolist() == exact


def all_pairs(first: Side, second: Side | None) -> list[tuple[int, int]]:
    """Return the pairs of close looks, compared one by one."""
    theirs = first if second is None else second
    return [
        (a, b)
        for a, one in enumerate(first.marks["look"].tolist())
        for b, other in enumerate(theirs.marks["look"].tolist())
        if (one ^ other).bit_count() <= 10 and (second is not None or a < b)
    ]


LOOKS = st.lists(st.sampled_from([0, 1, 7, lowest(10), lowest(20), lowest(64)]), max_size=25)


@given(ours=LOOKS, theirs=st.none() | LOOKS, classes=st.integers(1, 4))
def test_every_image_with_a_partner_in_a_class_is_kept_with_one(
    ours: list[int], theirs: list[int] | None, classes: int
) -> None:
    """Cut into blocks, batches and slices of a few, nothing is lost, doubled or invented."""

    def made(looks: list[int], number: int) -> Side:
        same: NDArray[np.uint8] = np.tile(SCENES[:1], (len(looks), 1, 1, 1))
        kinds = [place % classes for place in range(len(looks))]
        return side(looks, same, classes=kinds, other=number)

    first, second = made(ours, 0), None if theirs is None else made(theirs, 1)
    counted: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ROWS": 4, "COLUMNS": 5, "BATCH": 7, "SLICE": 3, "MANY": 9}.items():
            patch.setattr(overlap, name, value)
        pairs = find_pairs(first, second, counted.append).tolist()
    expected = all_pairs(first, second)
    assert {(a, b) for a, b, *_ in pairs} <= set(expected)
    assert len({(a, b) for a, b, *_ in pairs}) == len(pairs)
    assert {(b, a % classes) for a, b, *_ in pairs} == {(b, a % classes) for a, b in expected}
    assert {(a, b % classes) for a, b, *_ in pairs} == {(a, b % classes) for a, b in expected}
    assert sum(counted) == len(ours)


def test_thousands_are_compared_in_blocks_of_unequal_size() -> None:
    rng = np.random.default_rng(1)
    looks = rng.integers(0, 2**64, 5000, dtype=np.uint64)
    theirs = rng.integers(0, 2**64, 4500, dtype=np.uint64)
    theirs[[0, 4096, 4499]] = looks[[4999, 64, 0]]
    tiny = Recipe(image_size=8, channels=1)
    pixels = np.broadcast_to(np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1), (5000, 8, 8, 1))
    first = side(looks.tolist(), pixels, recipe=tiny)
    second = side(theirs.tolist(), pixels[:4500], recipe=tiny, other=9)
    assert found(first, second) == [(0, 4499, 0, True), (64, 4096, 0, True), (4999, 0, 0, True)]


def test_small_copies_correlate_by_what_they_show_whatever_was_asked_for_before() -> None:
    copies = SmallCopies(SCENES, RECIPE)
    first = copies.of(np.array([3, 3, 0]))
    again = copies.of(np.array([0, 5, 3]))
    np.testing.assert_array_equal(first[0], again[2])
    np.testing.assert_allclose(np.einsum("ij,ij->i", again, again), 1, rtol=1e-5)
    assert abs(float(again[0] @ again[1])) < 0.9
