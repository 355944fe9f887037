"""Few-shot classification of images: classes and images are drawn by index, then gathered."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlbench.contract import Batch, Dataset, ProblemKind, Split, Stream, TaskBatch
from mlbench.episodes import block_uniforms, choose, choose_again
from mlbench.errors import MisuseError
from mlbench.images.split import ImageSplit


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
        classes = len(split.class_sizes)
        if not classes:
            raise MisuseError(
                f"{self.name} has no {stream.split} classes; {self.remedy_of(stream.split)}"
            )
        if stream.flat:
            if stream.queries > split.count and not stream.replacement:
                raise MisuseError(
                    f"{self.name} has {split.count} {stream.split} images, not"
                    f" {stream.queries}; lower --set flat_batch"
                )
            return
        ways = stream.ways or 0
        if ways > classes:
            raise MisuseError(
                f"{self.name} has {classes} {stream.split} classes, not {ways};"
                f" lower --ways to {classes} or less"
            )
        needed = 1 if stream.replacement else stream.shots + stream.queries
        smallest = min(split.class_sizes)
        if needed > smallest:
            name = split.class_names[split.class_sizes.index(smallest)]
            raise MisuseError(
                f"{stream.shots} shots and {stream.queries} queries need {needed} images a class,"
                f" but {stream.split} class {name} of {self.name} has {smallest};"
                f" lower --shots or --queries"
            )

    def remedy_of(self, split: Split) -> str:
        """Return what to do where a split is empty."""
        if split == "test":
            return "choose another data set to test on"
        if self.train_classes:
            return "a run that trains on it needs some: give it classes to validate on"
        return "it is there to be tested on: name it with --eval, and train on another"

    @cached_property
    def resident(self) -> dict[tuple[int, torch.device], Tensor]:
        """Return the arrays of pixels that were moved to a device, whole, by their identity."""
        return {}

    def pixels_on(self, device: torch.device, split: ImageSplit) -> Tensor:
        """Return a split's array of pixels where a batch is to be gathered.

        On a CPU that is the array itself, memory-mapped where it is. Another device gets it whole
        and once, so that a batch is one gather there; where half of its free memory would not do,
        batches are gathered on the CPU.
        """
        images = torch.from_numpy(split.images)
        if device.type == "cpu":
            return images
        key = id(split.images), device
        if key not in self.resident:
            fits = images.nbytes <= free_memory(device) / 2
            self.resident[key] = images.to(device) if fits else images
        return self.resident[key]

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
        indices = np.concatenate([part.images for part in parts], axis=1)
        images = split.gather(indices, self.pixels_on(device, split)).to(device)
        x = images.to(dtype).div_(255).split(sizes, dim=1)
        batches = (
            Batch(inputs.contiguous(), torch.from_numpy(part.labels).to(device, non_blocking=True))
            for inputs, part in zip(x, parts, strict=True)
        )
        return TaskBatch(*batches)


def free_memory(device: torch.device) -> float:
    """Return the free bytes of a device; without limit where nobody can tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return float("inf")


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
    population = np.full(stop - start, split.count)
    places = pick(stream.uniforms(start, stop, stream.queries), population)
    labels = np.searchsorted(np.cumsum(split.sizes), places, side="right")
    images = split.indices[places]
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
