"""Shapes and glyphs: the same pictures everywhere, of classes that can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlbench.episodes import SPLITS, Stream
from mlbench.errors import MisuseError
from mlbench.images import drawing, generated
from mlbench.images.dataset import Reshaped
from mlbench.images.generated import GeneratedImages, GeneratedOptions
from mlbench.registry import load_dataset

NAMES = ("shapes", "glyphs")
Data = type[GeneratedImages]
few = settings(deadline=None, max_examples=25)
SMALL: dict[str, Any] = {
    "train_classes": 4,
    "validation_classes": 2,
    "test_classes": 3,
    "images_per_class": 5,
}


shapes: Any
glyphs: Any
shapes, glyphs = (import_module(load_dataset(name).__module__) for name in NAMES)


@pytest.fixture(params=NAMES)
def data(request: pytest.FixtureRequest) -> Data:
    return named(request.param)


def named(name: str) -> Data:
    found = load_dataset(name)
    assert issubclass(found, GeneratedImages)
    return found


def made(data: Data, **options: Any) -> GeneratedImages:
    return data(GeneratedOptions(**{**SMALL, **options}))


def forget() -> None:
    shapes.shape_of.cache_clear()
    glyphs.strokes_of.cache_clear()


def blocks(images: NDArray[np.uint8], factor: int) -> NDArray[np.float64]:
    """Return images, ``(n, height, width, channels)``, averaged over squares of pixels."""
    n, height, width, channels = images.shape
    squares = images.reshape(n, height // factor, factor, width // factor, factor, channels)
    averages: NDArray[np.float64] = squares.astype(np.float64).mean(axis=(2, 4))
    return averages


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("shapes", {}, "afde181803f47c7c"),
        ("shapes", {"image_size": 40, "channels": 1, "seed": 3}, "cae6d41fcd46b4ce"),
        ("glyphs", {}, "552416258434027b"),
        ("glyphs", {"image_size": 40, "channels": 1, "seed": 3}, "360aedc0e0eb2b1d"),
    ],
)
def test_the_pictures_are_what_they_were_to_the_byte(
    name: str, options: dict[str, Any], expected: str
) -> None:
    digest = sha256()
    for number in range(0, 108, 9):
        digest.update(made(named(name), **options).render(number, 0, 4).tobytes())
    assert digest.hexdigest()[:16] == expected


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_another_last_digit_of_sine_and_cosine_changes_no_byte(
    data: Data, towards: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [made(data).render(number, 0, 5) for number in range(20)]

    def off(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: np.nextafter(function(x), towards)

    forget()
    monkeypatch.setattr(np, "cos", off(np.cos))
    monkeypatch.setattr(np, "sin", off(np.sin))
    after = [made(data).render(number, 0, 5) for number in range(20)]
    forget()
    np.testing.assert_array_equal(before, after)


def test_an_image_does_not_depend_on_what_is_drawn_beside_it(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = made(data).render(7, 0, 9)
    np.testing.assert_array_equal(made(data).render(7, 3, 5), together[3:5])
    monkeypatch.setattr(generated, "CHUNK", 2 * 28**2)
    np.testing.assert_array_equal(made(data).render(7, 0, 9), together)


def test_a_class_does_not_depend_on_how_many_there_are(data: Data) -> None:
    few, many = made(data), made(data, train_classes=50, images_per_class=7)
    np.testing.assert_array_equal(few.split("test").images[:5], many.render(6, 0, 5))
    assert few.split("test").class_names[0] == many.split("train").class_names[6]


def test_splits_share_no_class_and_hold_what_was_asked_for(data: Data) -> None:
    whole = made(data)
    assert [list(whole.numbers(split)) for split in SPLITS] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    for split in SPLITS:
        loaded, numbers = whole.split(split), whole.numbers(split)
        assert loaded.class_names == tuple(map(whole.class_name, numbers))
        assert loaded.class_sizes == (5,) * len(numbers)
        for place, number in enumerate(numbers):
            own = loaded.images[5 * place : 5 * place + 5]
            np.testing.assert_array_equal(own, whole.render(number, 0, 5))


def test_nothing_is_drawn_before_it_is_asked_for(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    paint = data.paint

    def watched(self: GeneratedImages, number: int, start: int, stop: int) -> drawing.Pixels:
        drawn.append(number)
        return paint(self, number, start, stop)

    monkeypatch.setattr(data, "paint", watched)
    whole = made(data)
    assert whole.input_shape == (3, 28, 28)
    assert drawn == []
    whole.split("validation")
    assert drawn == [4, 5]


def test_a_smaller_image_shows_the_same_picture(data: Data) -> None:
    for number in range(10):
        large = blocks(made(data, image_size=112).render(number, 0, 5), 4)
        small = made(data).render(number, 0, 5).astype(np.float64)
        assert np.abs(large - small).mean() < 5
        other = made(data).render(number + 1, 0, 5).astype(np.float64)
        assert np.abs(large - other).mean() > 15


def test_grey_is_the_luma_of_colour(data: Data) -> None:
    coloured = made(data).render(3, 0, 5).astype(np.float64)
    grey = made(data, channels=1).render(3, 0, 5).astype(np.float64)
    assert grey.shape == (5, 28, 28, 1)
    inside = ((coloured > 0) & (coloured < 255)).all(axis=-1)  # beyond, colours are cut off
    luma = coloured @ (0.299, 0.587, 0.114)
    assert np.abs(luma - grey[..., 0])[inside].max() <= 1


def test_another_shape_is_drawn_anew_where_it_is_square(data: Data) -> None:
    plain = made(data)
    assert plain.like((3, 28, 28)) is plain
    larger = plain.like((1, 40, 40))
    assert isinstance(larger, data)
    assert larger.options == replace(plain.options, image_size=40, channels=1)
    assert isinstance(plain.like((3, 28, 36)), Reshaped)
    with pytest.raises(MisuseError):
        plain.like((1,))


def test_a_fingerprint_tells_every_option_and_every_edit(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = made(data)
    assert made(data).fingerprint == plain.fingerprint
    changes = [{name: value + 1} for name, value in SMALL.items()]
    changes += [{"seed": 1}, {"image_size": 29}, {"channels": 1}]
    prints = {made(data, **change).fingerprint for change in changes}
    assert len({plain.fingerprint, *prints}) == len(changes) + 1
    paint = data.paint
    monkeypatch.setattr(data, "paint", lambda *where: paint(*where) + np.float32(0.01))
    assert made(data).fingerprint != plain.fingerprint


def test_a_fingerprint_looks_at_no_more_than_the_probes(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def render(self: GeneratedImages, number: int, start: int, stop: int) -> NDArray[np.uint8]:
        seen.append(number)
        return np.zeros((stop - start, 28, 28, 3), dtype=np.uint8)

    monkeypatch.setattr(generated, "PROBES", 3)
    monkeypatch.setattr(data, "render", render)
    assert made(data, train_classes=8).fingerprint
    assert seen == [0, 3, 6, 8, 9, 10, 11, 12]


@few
@given(seed=st.integers(0, 2**31), deck=st.integers(0, 3))
def test_each_pair_of_outline_and_texture_occurs_once_a_deck(seed: int, deck: int) -> None:
    pairs = len(shapes.OUTLINES) * len(shapes.TEXTURES)
    order = [shapes.pair_of(seed, number) for number in range(deck * pairs, (deck + 1) * pairs)]
    assert len(set(order)) == pairs


def test_no_two_glyphs_of_a_hundred_look_alike() -> None:
    inked = np.concatenate(
        [glyphs.distance(glyphs.polylines(glyphs.strokes_of(0, i)[None]), 28) for i in range(100)]
    )
    flat = (inked < 0.1).reshape(100, -1).astype(np.float64)
    both = flat @ flat.T
    either = flat.sum(axis=1)[:, None] + flat.sum(axis=1) - both
    np.fill_diagonal(both, 0)
    assert (both / either).max() < 0.75


@few
@given(seed=st.integers(0, 2**31), number=st.integers(0, 2**20))
def test_a_glyph_is_a_few_strokes_of_some_length_that_fit_the_page(seed: int, number: int) -> None:
    strokes = glyphs.strokes_of(seed, number)
    assert glyphs.FEWEST <= len(strokes) <= glyphs.MOST
    assert (np.abs(strokes[:, 3] - strokes[:, 0]).max(axis=1) > glyphs.APART / 2).all()
    assert np.abs(glyphs.polylines(strokes[None])).max() < glyphs.PAGE + 1e-9


def test_a_stroke_passes_through_its_ends_and_its_middle() -> None:
    stroke = np.array([(0.0, 0.0), (0.0, 0.8), (0.8, 0.8), (0.8, 0.0)])
    line = glyphs.polylines(stroke[None, None])[0, 0]
    np.testing.assert_allclose(line[[0, 4, 8]], [(0, 0), (0.4, 0.6), (0.8, 0)], atol=1e-12)


def test_distance_to_lines_is_that_of_the_nearest_of_many_points() -> None:
    line = np.array([(-0.5, -0.5), (0.3, 0.1), (0.3, 0.7)])
    along = np.linspace(0, 1, 2_000)[:, None]
    points = np.concatenate([a + (b - a) * along for a, b in pairwise(line)])
    found = glyphs.distance(line[None, None], 20)[0]
    axis = (2 * np.arange(20) + 1) / 20 - 1
    offsets = np.stack(np.meshgrid(axis, axis), axis=-1)[:, :, None] - points
    expected = np.sqrt((offsets**2).sum(axis=-1)).min(axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_raw_pixels_say_something_of_unseen_classes_but_not_much(data: Data) -> None:
    whole = made(data, test_classes=20, images_per_class=30)
    stream = Stream(
        fingerprint=whole.fingerprint, split="test", ways=5, shots=5, queries=16, seed=0
    )
    tasks = whole.draw(stream, 0, 100, device=torch.device("cpu"), dtype=torch.float32)
    centroids = tasks.support.x.flatten(2).unflatten(1, (5, 5)).mean(2)
    nearest = torch.cdist(tasks.query.x.flatten(2), centroids).argmin(-1)
    accuracy = (nearest == tasks.query.y).float().mean().item()
    assert 0.22 < accuracy < 0.45
