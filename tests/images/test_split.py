"""The images of a split: parts of an array, turned classes, gathering by index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.contract import Split, Stream
from mlbench.errors import MisuseError
from mlbench.images import ImageDataset, ImageSplit
from mlbench.images import dataset as module
from mlbench.images.dataset import episode_indices

CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float64}
few = settings(deadline=None, max_examples=30)
NAMES = ("ant", "bee", "cat", "dog")
SIZES = (3, 5, 2, 4)
SIDE = 6


def whole() -> ImageSplit:
    """Return noise of four classes, in one array."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (sum(SIZES), SIDE, SIDE, 3), dtype=np.uint8)
    return ImageSplit(images, NAMES, SIZES)


def of_class(split: ImageSplit, name: str) -> torch.Tensor:
    """Return the images of a class, ``(images, channels, height, width)``."""
    place = split.class_names.index(name)
    start = int(split.starts[place])
    return split.gather(np.arange(start, start + split.class_sizes[place]))


def originals(name: str) -> torch.Tensor:
    """Return what :func:`of_class` should, cut by hand out of the array."""
    place = NAMES.index(name)
    start = sum(SIZES[:place])
    return torch.from_numpy(whole().images[start : start + SIZES[place]]).permute(0, 3, 1, 2)


class Noise(ImageDataset):
    """All but the second class, in another order, to train on."""

    name = "noise"
    source = "made up"
    turn = False

    @property
    def fingerprint(self) -> str:
        return "noise"

    def load(self, split: Split) -> ImageSplit:
        names = {"train": ("dog", "ant", "cat"), "validation": ("bee",), "test": ()}[split]
        part = whole().only(names)
        return part.turned() if self.turn else part


class Turned(Noise):
    """The same, and each class turned."""

    name = "turned"
    turn = True


def stream(**change: Any) -> Stream:
    plain = Stream(fingerprint="f", split="train", ways=2, shots=1, queries=1, seed=0)
    return replace(plain, **change)


@few
@given(st.permutations(NAMES), st.integers(0, 4))
def test_a_part_has_the_images_of_its_classes_in_the_order_asked_for(
    names: list[str], count: int
) -> None:
    part = whole().only(names[:count])
    assert part.class_names == tuple(names[:count])
    assert part.count == sum(part.class_sizes)
    for name in names[:count]:
        assert torch.equal(of_class(part, name), originals(name))
    expected = [originals(name) for name in names[:count]]
    gathered = part.gather(part.indices)
    assert torch.equal(gathered, torch.cat([torch.empty(0, 3, SIDE, SIDE), *expected]).byte())


def test_a_part_copies_nothing() -> None:
    split = whole()
    assert split.only(["cat"]).images is split.images
    assert split.only(["cat"]).turned().images is split.images


def test_a_part_of_a_part_is_a_part() -> None:
    part = whole().only(["dog", "cat", "ant"]).only(["ant", "dog"])
    assert part.class_sizes == (3, 4)
    for name in ("ant", "dog"):
        assert torch.equal(of_class(part, name), originals(name))


def test_a_class_that_is_not_there_is_no_part() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        whole().only(["emu"])


def test_turned_classes_are_turned_counter_clockwise() -> None:
    part = whole().only(["dog", "ant"]).turned()
    assert part.class_names == (
        *("dog", "dog:90", "dog:180", "dog:270"),
        *("ant", "ant:90", "ant:180", "ant:270"),
    )
    assert part.class_sizes == (4,) * 4 + (3,) * 4
    for name in ("dog", "ant"):
        upright = originals(name).permute(0, 2, 3, 1).numpy()
        for turn, suffix in enumerate(("", ":90", ":180", ":270")):
            found = of_class(part, name + suffix).permute(0, 2, 3, 1).numpy()
            expected = np.stack([np.rot90(image, turn) for image in upright])
            np.testing.assert_array_equal(found, expected)


def test_what_is_at_the_right_is_above_after_a_quarter() -> None:
    images = np.zeros((1, SIDE, SIDE, 1), dtype=np.uint8)
    images[0, :, -1] = 255
    turned = ImageSplit(images, ("ant",), (1,)).turned()
    above = of_class(turned, "ant:90")[0, 0]
    assert (above[0] == 255).all()
    assert (above[1:] == 0).all()


@few
@given(
    indices=st.lists(st.integers(0, 4 * sum(SIZES) - 1), max_size=12).filter(
        lambda some: len(some) % 2 == 0
    )
)
def test_images_are_gathered_in_any_shape(indices: list[int]) -> None:
    split = whole()
    places = np.array(indices, dtype=np.int64).reshape(2, -1)
    found = split.gather(places)
    assert found.shape == (*places.shape, 3, SIDE, SIDE)
    assert found.dtype == torch.uint8
    for place, image in zip(places.ravel(), found.flatten(0, 1), strict=True):
        turn, row = divmod(int(place), sum(SIZES))
        expected = np.rot90(split.images[row], turn)
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), expected)


def test_gathering_does_not_change_the_images() -> None:
    split = whole()
    before = split.images.copy()
    split.gather(np.array([0, sum(SIZES)])).zero_()
    np.testing.assert_array_equal(split.images, before)


def test_a_tensor_on_another_device_is_gathered_there() -> None:
    """The device "meta" holds no pixels, but knows where they would be."""
    split = whole()
    images = torch.from_numpy(split.images).to("meta")
    found = split.gather(np.array([[0, 1]]), images)
    assert found.device.type == "meta"
    assert found.shape == (1, 2, 3, SIDE, SIDE)


def test_an_array_is_moved_to_a_device_once() -> None:
    device, data = torch.device("meta"), Noise()
    train, validation = data.split("train"), data.split("validation")
    assert data.pixels_on(torch.device("cpu"), train).data_ptr() == train.images.ctypes.data
    first = data.pixels_on(device, train)
    assert first.device.type == "meta"
    assert data.pixels_on(device, train) is first
    assert data.pixels_on(device, train.turned()) is first
    assert data.pixels_on(device, validation) is not first


def test_an_array_too_large_for_a_device_stays_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = Noise()
    train = data.split("train")
    monkeypatch.setattr(module, "free_memory", lambda _: 2 * train.images.nbytes - 1)
    assert data.pixels_on(torch.device("meta"), train).device.type == "cpu"
    monkeypatch.setattr(module, "free_memory", lambda _: 2 * train.images.nbytes)
    assert Noise().pixels_on(torch.device("meta"), train).device.type == "meta"


@pytest.mark.parametrize("data", [Noise(), Turned()], ids=["upright", "turned"])
def test_episodes_draw_images_of_the_classes_of_their_split_only(data: Noise) -> None:
    split = data.split("train")
    rows = {name: set(range(sum(SIZES[:p]), sum(SIZES[: p + 1]))) for p, name in enumerate(NAMES)}
    indices = episode_indices(stream(), split, 0, 300)
    seen = set()
    for way in indices.reshape(-1, 2):
        turns, places = np.divmod(way, sum(SIZES))
        owners = {name for name in rows for place in places if place in rows[name]}
        assert len(owners) == 1
        assert len(set(turns)) == 1
        seen.add((owners.pop(), int(turns[0])))
    expected = {(name, turn) for name in ("dog", "ant", "cat") for turn in range(4)}
    assert seen == (expected if data.turn else {each for each in expected if not each[1]})


@pytest.mark.parametrize("data", [Noise(), Turned()], ids=["upright", "turned"])
@pytest.mark.parametrize("replacement", [False, True])
def test_flat_batches_of_classes_that_do_not_follow_each_other_have_the_right_labels(
    data: Noise, *, replacement: bool
) -> None:
    split = data.split("train")
    flat = stream(ways=None, shots=0, queries=9, replacement=replacement)
    query = data.draw(flat, 0, 60, **CPU).query
    images = {
        of_class(split, name)[i].numpy().tobytes(): label
        for label, name in enumerate(split.class_names)
        for i in range(split.class_sizes[label])
    }
    assert len(images) == split.count
    found = (query.x * 255).round().byte().flatten(0, 1)
    labels = [images[image.numpy().tobytes()] for image in found]
    assert labels == query.y.flatten().tolist()
    assert set(labels) == set(range(len(split.class_sizes)))


def test_draws_are_the_same_however_the_array_is_cut() -> None:
    """What decides an episode are sizes of classes and seeds, not where images lie."""

    class Apart(Noise):
        """The images of each split in an array of their own."""

        def load(self, split: Split) -> ImageSplit:
            part = super().load(split)
            images = part.gather(part.indices).permute(0, 2, 3, 1).contiguous().numpy()
            return ImageSplit(images, part.class_names, part.class_sizes)

    for some in (stream(), stream(ways=None, shots=0, queries=5)):
        one, other = (data.draw(some, 0, 20, **CPU) for data in (Noise(), Apart()))
        for first, second in zip(one, other, strict=True):
            assert torch.equal(first.x, second.x)
            assert torch.equal(first.y, second.y)


def test_another_shape_of_a_part_holds_that_part_only() -> None:
    part = whole().only(["dog", "ant"]).turned().only(["ant:90", "dog"])
    small = part.as_shape((1, 3, 3))
    assert small.images.shape == (7, 3, 3, 1)
    assert (small.class_names, small.class_sizes) == (("ant:90", "dog"), (3, 4))
    alone = part.gather(part.indices).permute(0, 2, 3, 1).contiguous().numpy()
    expected = ImageSplit(alone, part.class_names, part.class_sizes).as_shape((1, 3, 3))
    np.testing.assert_array_equal(small.images, expected.images)
    grey = part.as_shape((1, SIDE, SIDE))
    luma = alone @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey.images[..., 0], luma, atol=0.51)


def test_an_empty_split_can_be_brought_to_another_shape() -> None:
    empty = Noise().split("test").as_shape((1, 3, 3))
    assert empty.images.shape == (0, 3, 3, 1)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", "noise has no train classes; it is there to be tested on: name it with --eval"),
        ("test", "noise has no test classes; choose another data set to test on"),
    ],
)
def test_a_split_without_classes_is_refused(
    split: Split, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Noise, "load", lambda *_: whole().only([]))
    for some in (stream(split=split), stream(split=split, ways=None, shots=0)):
        with pytest.raises(MisuseError, match=message):
            Noise().check(some)


def test_with_replacement_a_class_may_have_fewer_images_than_are_drawn() -> None:
    data = Noise()
    many = stream(shots=5, queries=16)
    with pytest.raises(MisuseError, match="need 21 images a class, but train class cat of noise h"):
        data.check(many)
    again = replace(many, replacement=True)
    data.check(again)
    tasks = data.draw(again, 0, 10, **CPU)
    assert tasks.query.x.shape == (10, 32, 3, SIDE, SIDE)
    flat = stream(ways=None, shots=0, queries=100, replacement=True)
    data.check(flat)
    assert data.draw(flat, 0, 1, **CPU).query.x.shape == (1, 100, 3, SIDE, SIDE)


def test_with_replacement_there_are_no_more_ways_than_classes() -> None:
    with pytest.raises(MisuseError, match="has 3 train classes, not 4; lower --ways to 3 or less"):
        Noise().check(stream(ways=4, replacement=True))
