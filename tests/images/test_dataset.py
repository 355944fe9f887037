"""Episodes of images: who is drawn, what a learner is handed, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlbench.contract import Split, Stream
from mlbench.errors import MisuseError
from mlbench.images import ImageDataset, ImageSplit
from mlbench.images.dataset import episode_indices

CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float64}
SIZES = (7, 9, 6, 12)


class Numbered(ImageDataset):
    """Images whose pixels tell class and place: red is the class, green the image."""

    name = "numbered"
    source = "made up"

    @property
    def fingerprint(self) -> str:
        return "numbered"

    def load(self, split: Split) -> ImageSplit:
        images = np.zeros((sum(SIZES), 10, 8, 3), dtype=np.uint8)
        images[..., 0] = np.repeat(np.arange(len(SIZES)), SIZES)[:, None, None]
        images[..., 1] = np.concatenate([np.arange(size) for size in SIZES])[:, None, None]
        images[..., 2] = np.arange(8)
        return ImageSplit(images, tuple("abcd"), SIZES)


def stream(**change: object) -> Stream:
    plain = Stream(fingerprint="f", split="train", ways=3, shots=2, queries=4, seed=0)
    return replace(plain, **change)  # type: ignore[arg-type]


def test_labels_follow_classes_and_shapes_are_those_of_the_contract() -> None:
    tasks = Numbered().draw(stream(), 10, 17, **CPU)
    assert tasks.support.x.shape == (7, 6, 3, 10, 8)
    assert tasks.query.x.shape == (7, 12, 3, 10, 8)
    for task in map(tasks.task, range(tasks.task_count)):
        classes = [
            {(part.x[i, 0, 0, 0] * 255).round().item() for i in (part.y == label).nonzero()[:, 0]}
            for part in task
            for label in range(3)
        ]
        assert classes[:3] == classes[3:]
        assert all(len(found) == 1 for found in classes)
        assert len(set.union(*classes[:3])) == 3
        assert task.support.y.bincount().tolist() == [2, 2, 2]
        assert task.query.y.bincount().tolist() == [4, 4, 4]


def test_the_order_of_queries_says_nothing_of_their_labels() -> None:
    """Whoever counts which label stands at which place finds every one alike."""
    labels = Numbered().draw(stream(), 0, 900, **CPU).query.y
    assert len({tuple(row) for row in labels.tolist()}) > 850
    shares = torch.stack([(labels == label).double().mean(0) for label in range(3)])
    assert float((shares - 1 / 3).abs().max()) < 4 * (2 / 9 / 900) ** 0.5


def test_a_flat_batch_holds_images_of_all_classes_with_their_place_in_the_split() -> None:
    flat = stream(ways=None, shots=0, queries=10)
    tasks = Numbered().draw(flat, 0, 60, **CPU)
    assert tasks.support.x.shape == (60, 0, 3, 10, 8)
    assert tasks.support.y.shape == (60, 0)
    assert tasks.query.x.shape == (60, 10, 3, 10, 8)
    pixels = (tasks.query.x[..., 0, 0] * 255).round()
    assert torch.equal(pixels[:, :, 0], tasks.query.y.double())  # red is the class
    counts = tasks.query.y.flatten().bincount()
    expected = 600 * torch.tensor(SIZES) / sum(SIZES)
    assert float(((counts - expected) ** 2 / expected).sum()) < 16  # χ² with 3 degrees of freedom
    for batch in pixels[:, :, :2].tolist():
        assert len(set(map(tuple, batch))) == 10


def test_a_flat_batch_repeats_images_only_when_told_to() -> None:
    flat = stream(ways=None, shots=0, queries=30, replacement=True)
    pixels = (Numbered().draw(flat, 0, 1, **CPU).query.x[0, :, :2, 0, 0] * 255).round()
    assert len(set(map(tuple, pixels.tolist()))) < 30


def test_a_flat_batch_larger_than_the_split_is_refused() -> None:
    with pytest.raises(MisuseError, match="has 34 train images, not 35; lower --set flat_batch"):
        Numbered().check(stream(ways=None, shots=0, queries=35))
    Numbered().check(stream(ways=None, shots=0, queries=34))


def test_pixels_keep_their_place() -> None:
    x = Numbered().draw(stream(), 0, 1, **CPU).support.x[0, 0]
    assert torch.equal((x[2] * 255).round(), torch.arange(8.0).double().expand(10, 8))


@given(seed=st.integers(0, 10_000), start=st.integers(0, 10**6), replacement=st.booleans())
def test_support_and_query_share_an_image_only_when_told_to(
    seed: int, start: int, *, replacement: bool
) -> None:
    split = Numbered().split("train")
    some = stream(seed=seed, replacement=replacement)
    indices = episode_indices(some, split, start, start + 20)
    for way in indices.reshape(-1, 6):
        owner = np.searchsorted(split.starts, way, side="right")
        assert len(set(owner)) == 1
        assert replacement or len(set(way)) == 6
    if replacement:
        assert any(len(set(way)) < 6 for way in indices.reshape(-1, 6))


def test_every_image_of_every_class_is_drawn() -> None:
    split = Numbered().split("train")
    indices = episode_indices(stream(), split, 0, 400)
    assert set(indices.ravel().tolist()) == set(range(sum(SIZES)))


def test_an_episode_is_the_same_drawn_alone_or_in_a_batch() -> None:
    together = Numbered().draw(stream(), 3, 6, **CPU)
    alone = Numbered().draw(stream(), 5, 6, **CPU)
    assert torch.equal(together.query.x[2], alone.query.x[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ways": 5}, "has 4 train classes, not 5; lower --ways to 4 or less"),
        ({"queries": 5}, "need 7 images a class, but train class c of numbered has 6"),
    ],
)
def test_what_the_data_cannot_give_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Numbered().check(stream(**change))
    Numbered().check(stream())


def test_images_come_in_the_shape_asked_for() -> None:
    small = Numbered().like((1, 5, 4))
    assert small.input_shape == (1, 5, 4)
    assert small.fingerprint != "numbered"
    assert small.name == "numbered"
    x = small.draw(stream(), 0, 1, **CPU).support.x
    assert x.shape == (1, 6, 1, 5, 4)
    original = Numbered().draw(stream(), 0, 1, **CPU).support.x[0, 0]
    grey = (original * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    assert float(x[0, 0].mean()) == pytest.approx(float(grey.mean()), abs=1 / 255)


def test_the_same_shape_is_the_same_data_set() -> None:
    numbered = Numbered()
    assert numbered.like((3, 10, 8)) is numbered


def test_grey_images_gain_equal_colours() -> None:
    split = Numbered().split("train").as_shape((1, 10, 8)).as_shape((3, 10, 8))
    assert split.images.shape == (sum(SIZES), 10, 8, 3)
    assert (split.images == split.images[..., :1]).all()


def test_images_have_no_form_for_a_regression_network() -> None:
    with pytest.raises(MisuseError, match="choose data sets of one kind"):
        Numbered().like((1,))
