"""Few-shot classification of images: classes and images are drawn by index, then gathered."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from mlbench.contract import Batch, Dataset, ProblemKind, Split, Stream, TaskBatch
from mlbench.episodes import block_uniforms, choose, choose_again
from mlbench.errors import MisuseError

GREY = (0.299, 0.587, 0.114)  # luma of ITU-R 601, as Pillow's "L"


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The images of one split, class after class.

    Args:
        images: uint8, ``(images, height, width, channels)``; may be memory-mapped.
        class_names: One a class, in the order of their images.
        class_sizes: Images of each class.
    """

    images: NDArray[np.uint8]
    class_names: tuple[str, ...]
    class_sizes: tuple[int, ...]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return ``(channels, height, width)``, as a learner sees an image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Return the images of each class, ``(classes,)``."""
        return np.array(self.class_sizes, dtype=np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Return where each class begins, ``(classes,)``."""
        return np.cumsum(self.sizes) - self.sizes

    def as_shape(self, shape: tuple[int, ...]) -> ImageSplit:
        """Return these images at ``(channels, height, width)``: antialiased bicubic, then colour.

        Grey from colour is the luma of ITU-R 601; colour from grey repeats it.
        """
        channels, height, width = shape
        if shape == self.input_shape:
            return self
        pixels = torch.empty((len(self.images), channels, height, width), dtype=torch.uint8)
        for start in range(0, len(pixels), 256):
            chunk = torch.from_numpy(self.images[start : start + 256].copy()).permute(0, 3, 1, 2)
            if self.input_shape[1:] != (height, width):
                chunk = transforms.resize(
                    chunk,
                    [height, width],
                    interpolation=transforms.InterpolationMode.BICUBIC,
                    antialias=True,
                )
            pixels[start : start + 256] = recolour(chunk, channels)
        images = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        return ImageSplit(images, self.class_names, self.class_sizes)


def recolour(pixels: Tensor, channels: int) -> Tensor:
    """Return ``(n, c, height, width)`` uint8 pixels with 1 or 3 channels."""
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(-1, 3, -1, -1)
    weights = torch.tensor(GREY)[:, None, None]
    return (pixels * weights).sum(1, keepdim=True).round().to(torch.uint8)


class ImageDataset(Dataset):
    """A data set of images by class: a subclass gives :meth:`load` and a fingerprint."""

    kind: ClassVar[ProblemKind] = "classification"
    default_queries: ClassVar[int] = 16

    @abstractmethod
    def load(self, split: Split) -> ImageSplit:
        """Return the images of a split."""

    @cached_property
    def splits(self) -> dict[Split, ImageSplit]:
        """Return the splits loaded so far."""
        return {}

    def split(self, split: Split) -> ImageSplit:
        """Return the images of a split, loaded once."""
        if split not in self.splits:
            self.splits[split] = self.load(split)
        return self.splits[split]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(channels, height, width)``."""
        return self.split("train").input_shape

    @property
    def train_classes(self) -> int:
        """Return the number of training classes."""
        return len(self.split("train").class_sizes)

    def like(self, shape: tuple[int, ...]) -> Dataset:
        """Return these images at another size, with 1 or 3 channels."""
        if shape == self.input_shape:
            return self
        if len(shape) != 3:
            return super().like(shape)
        return Reshaped(self, shape)

    def check(self, stream: Stream) -> None:
        """Refuse more ways than classes, and more shots and queries than a class has images.

        A flat batch may be no larger than the split.
        """
        split = self.split(stream.split)
        if stream.flat:
            if stream.queries > sum(split.class_sizes):
                raise MisuseError(
                    f"{self.name} has {sum(split.class_sizes)} {stream.split} images, not"
                    f" {stream.queries}; lower --set flat_batch"
                )
            return
        ways = stream.ways or 0
        if ways > len(split.class_sizes):
            raise MisuseError(
                f"{self.name} has {len(split.class_sizes)} {stream.split} classes, not {ways};"
                f" lower --ways to {len(split.class_sizes)} or less"
            )
        needed = stream.shots + stream.queries
        smallest = min(split.class_sizes)
        if needed > smallest:
            name = split.class_names[split.class_sizes.index(smallest)]
            raise MisuseError(
                f"{stream.shots} shots and {stream.queries} queries need {needed} images a class,"
                f" but {stream.split} class {name} of {self.name} has {smallest};"
                f" lower --shots or --queries"
            )

    def draw(
        self, stream: Stream, start: int, stop: int, *, device: torch.device, dtype: torch.dtype
    ) -> TaskBatch:
        """Return episodes: ``x`` in [0, 1], labels in the order in which classes were drawn."""
        split = self.split(stream.split)
        parts = (
            flat_choice(stream, split, start, stop)
            if stream.flat
            else choice(stream, split, start, stop)
        )
        sizes = [part.images.shape[1] for part in parts]
        pixels = split.images[np.concatenate([part.images for part in parts], axis=1)]
        images = torch.from_numpy(pixels).to(device).movedim(-1, 2)
        x = images.to(dtype).div_(255).split(sizes, dim=1)
        batches = (
            Batch(inputs.contiguous(), torch.from_numpy(part.labels).to(device))
            for inputs, part in zip(x, parts, strict=True)
        )
        return TaskBatch(*batches)


class Reshaped(ImageDataset):
    """A data set brought to the image size and channels of another."""

    source: ClassVar[str] = "another data set"

    def __init__(self, original: ImageDataset, shape: tuple[int, ...]) -> None:
        super().__init__(original.options)
        self.original = original
        self.shape = shape

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return the original's name."""
        return self.original.name

    @property
    def fingerprint(self) -> str:
        """Return the original's fingerprint, and what was done to it."""
        shape = "x".join(map(str, self.shape))
        return f"{self.original.fingerprint}@{shape}, antialiased bicubic, luma of ITU-R 601"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape asked for."""
        return self.shape

    @property
    def incomplete(self) -> str | None:
        """Return what the original lacks."""
        return self.original.incomplete

    def load(self, split: Split) -> ImageSplit:
        """Return the original's images, resized."""
        return self.original.split(split).as_shape(self.shape)


class Choice(NamedTuple):
    """Which images of a split are drawn, and their labels; ``(tasks, n)`` each."""

    images: NDArray[np.int64]
    labels: NDArray[np.int64]


def choice(stream: Stream, split: ImageSplit, start: int, stop: int) -> tuple[Choice, Choice]:
    """Return support and queries of episodes, the queries in random order."""
    indices = episode_indices(stream, split, start, stop)
    tasks, ways, _ = indices.shape
    support = indices[:, :, : stream.shots].reshape(tasks, -1)
    query = indices[:, :, stream.shots :].reshape(tasks, -1)
    labels = np.arange(ways).repeat(stream.shots)[None].repeat(tasks, axis=0)
    order = block_uniforms(stream.key_for("order"), start, stop, query.shape[1]).argsort(axis=1)
    return (
        Choice(support, labels),
        Choice(np.take_along_axis(query, order, axis=1), order // stream.queries),
    )


def flat_choice(stream: Stream, split: ImageSplit, start: int, stop: int) -> tuple[Choice, Choice]:
    """Return flat batches of images of any class: no support, and queries."""
    pick = choose_again if stream.replacement else choose
    population = np.full(stop - start, split.sizes.sum())
    images = pick(stream.uniforms(start, stop, stream.queries), population)
    labels = np.searchsorted(split.starts, images, side="right") - 1
    return Choice(images[:, :0], labels[:, :0]), Choice(images, labels)


def episode_indices(stream: Stream, split: ImageSplit, start: int, stop: int) -> NDArray[np.int64]:
    """Return which images make the episodes, ``(tasks, ways, shots + queries)``, shots first."""
    ways, each = stream.ways or 0, stream.shots + stream.queries
    tasks = stop - start
    uniforms = stream.uniforms(start, stop, ways + ways * each)
    classes = choose(uniforms[:, :ways], np.full(tasks, len(split.class_sizes), dtype=np.int64))
    pick = choose_again if stream.replacement else choose
    within = pick(uniforms[:, ways:].reshape(tasks * ways, each), split.sizes[classes].ravel())
    indices: NDArray[np.int64] = split.starts[classes][..., None] + within.reshape(tasks, ways, -1)
    return indices
