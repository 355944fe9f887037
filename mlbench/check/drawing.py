"""Checks of episodes: their form, and what decides them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from mlbench.check.finding import BreachError, NotDueError
from mlbench.contract import SPLITS, Dataset, Hyper, Split, Stream, TaskBatch
from mlbench.errors import DataError, MisuseError
from mlbench.images import ImageDataset

TASKS = 6


@dataclass(frozen=True)
class Data:
    """A data set as it is by default: what its checks are handed.

    Args:
        cls: The plugin.
    """

    cls: type[Dataset]

    @cached_property
    def opened(self) -> Dataset:
        """Return an instance; data that are not here make every check that needs them skip."""
        return self.open()

    def open(self, options: Hyper | None = None) -> Dataset:
        """Return a fresh instance whose data are here."""
        dataset = self.cls(options)
        try:
            _ = dataset.fingerprint
        except DataError as error:
            raise NotDueError(str(error).partition("; ")[0]) from error
        return dataset

    @property
    def classifies(self) -> bool:
        """Return whether episodes have classes."""
        return self.cls.kind == "classification"

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """Return the splits that must give episodes: images may be there to be tested on alone."""
        dataset = self.opened
        if isinstance(dataset, ImageDataset) and not dataset.split("train").count:
            return ("test",)
        return SPLITS

    def stream(self, split: Split | None = None, dataset: Dataset | None = None) -> Stream:
        """Return small episodes: 3 ways at most, 2 shots, 4 queries; of the first split, if any."""
        dataset, split = dataset or self.opened, split or self.splits[0]
        stream = Stream(
            fingerprint=dataset.fingerprint,
            split=split,
            ways=3 if self.classifies else None,
            shots=2,
            queries=4,
            seed=0,
        )
        for ways, queries in ((3, 4), (2, 4), (2, 1)):
            smaller = replace(stream, ways=ways if self.classifies else None, queries=queries)
            try:
                dataset.check(smaller)
            except MisuseError:
                continue
            return smaller
        raise BreachError(f"its {split} split gives no episode of 2 ways, 2 shots and a query")

    def draw(
        self, stream: Stream, start: int = 0, stop: int = TASKS, dataset: Dataset | None = None
    ) -> TaskBatch:
        """Return episodes in float32 on the CPU."""
        dataset = dataset or self.opened
        return dataset.draw(stream, start, stop, device=torch.device("cpu"), dtype=torch.float32)


def check_form(data: Data) -> None:
    """Look at shapes, types, ranges and labels."""
    for split in data.splits:
        stream = data.stream(split)
        tasks = data.draw(stream)
        for what, part, each in (
            ("support", tasks.support, stream.shots),
            ("query", tasks.query, stream.queries),
        ):
            check_part(data, f"{split} {what}", part.x, part.y, stream, each)
    wide = data.opened.draw(stream, 0, 1, device=torch.device("cpu"), dtype=torch.float64)
    if wide.support.x.dtype != torch.float64:
        raise BreachError("draw gives another dtype than it is asked for")


def check_part(data: Data, what: str, x: Tensor, y: Tensor, stream: Stream, each: int) -> None:
    """Look at the support or the query set of some tasks; ``each`` is per class."""
    shape = data.opened.input_shape
    count = each * (stream.ways or 1)
    expected = (TASKS, count, *shape)
    if tuple(x.shape) != expected:
        raise BreachError(f"{what} inputs have shape {tuple(x.shape)}, not {expected}")
    if x.dtype != torch.float32 or not bool(x.isfinite().all()):
        raise BreachError(f"{what} inputs are {x.dtype}, or not finite, where float32 is asked for")
    if not data.classifies:
        if tuple(y.shape) != (TASKS, count, 1) or y.dtype != torch.float32:
            raise BreachError(f"{what} targets have shape {tuple(y.shape)} and are {y.dtype}")
        return
    if float(x.min()) < 0 or float(x.max()) > 1:
        raise BreachError(
            f"{what} images lie in [{float(x.min()):g}, {float(x.max()):g}], not in [0, 1]",
            "divide pixels by 255; normalisation is the learner's",
        )
    if y.dtype != torch.int64 or tuple(y.shape) != (TASKS, count):
        raise BreachError(f"{what} labels have shape {tuple(y.shape)} and are {y.dtype}, not int64")
    wanted = torch.arange(stream.ways or 0).repeat_interleave(each)
    if not all(torch.equal(labels.sort().values, wanted) for labels in y):
        raise BreachError(f"{what} labels are not 0 to {stream.ways} - 1, {each} of each")


def check_deterministic(data: Data) -> None:
    """Draw together, one by one, and from another instance."""
    stream = data.stream()
    together, fresh = data.draw(stream), data.open()
    if fresh.fingerprint != data.opened.fingerprint:
        raise BreachError("two instances have two fingerprints")
    again = data.draw(stream, dataset=fresh)
    for index in range(TASKS):
        alone = data.draw(stream, index, index + 1).task(0)
        for found, where in ((alone, "drawn alone"), (again.task(index), "of another instance")):
            if not same(found, together.task(index)):
                raise BreachError(f"episode {index}, {where}, is another")
    if all(same(together.task(0), together.task(i)) for i in range(1, TASKS)):
        raise BreachError("all episodes of a stream are the same")
    if same(together, data.draw(replace(stream, seed=1))):
        raise BreachError("streams of another seed give the same episodes")


def same(one: TaskBatch, other: TaskBatch) -> bool:
    """Return whether episodes are equal bit for bit."""
    pairs = zip((*one.support, *one.query), (*other.support, *other.query), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def check_disjoint(data: Data) -> None:
    """Look for queries that are support examples too."""
    for split in data.splits:
        tasks = data.draw(data.stream(split))
        for index in range(TASKS):
            task = tasks.task(index)
            both = set(marks(task.support.x)) & set(marks(task.query.x))
            if both:
                raise BreachError(
                    f"{len(both)} of {len(task.query.x)} queries of a {split} episode are in its"
                    " support set"
                )


def marks(x: Tensor) -> list[bytes]:
    """Return what tells inputs apart, ``(n, ...)``."""
    return [bytes(one.contiguous().numpy().tobytes()) for one in x]


def check_shuffled(data: Data) -> None:
    """Look whether the place of a query tells its class."""
    if not data.classifies:
        raise NotDueError("regression has no classes")
    labels = data.draw(data.stream(), 0, 4 * TASKS).query.y
    if bool((labels == labels[0]).all()):
        order = ", ".join(str(int(label)) for label in labels[0][:6])
        raise BreachError(f"the labels of the queries come as {order}, ... in every episode")


def check_flat(data: Data) -> None:
    """Draw flat batches, as pre-training does; or see them refused."""
    dataset, size = data.opened, 16
    classes = dataset.train_classes
    if not classes:
        raise NotDueError("it has no classes to pre-train on")
    stream = replace(data.stream(), ways=None, shots=0, queries=size)
    dataset.check(stream)
    tasks = data.draw(stream)
    shape = dataset.input_shape
    if tuple(tasks.query.x.shape) != (TASKS, size, *shape) or tasks.support.x.shape[1] != 0:
        raise BreachError("a flat batch has an empty support set and its images as queries")
    labels = tasks.query.y
    if int(labels.min()) < 0 or int(labels.max()) >= classes or bool((labels < 3).all()):
        raise BreachError(f"labels of flat batches do not run over all {classes} training classes")
