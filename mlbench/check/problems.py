"""Problems so small that a technique is put through all its paces on them in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from mlbench.contract import (
    SPLITS,
    Algorithm,
    Batch,
    Dataset,
    Hyper,
    Normalisation,
    Parameters,
    Problem,
    ProblemKind,
    Randomness,
    Split,
    Stream,
    TaskBatch,
    hp,
)
from mlbench.engines import Engine, Loop
from mlbench.episodes import block_uniforms
from mlbench.errors import MisuseError
from mlbench.hyper import situations
from mlbench.images import ImageDataset, ImageSplit
from mlbench.learners import Conv4Options, MLPOptions
from mlbench.run.device import Execution
from mlbench.run.setup import Experiment, assemble
from mlbench.run.spec import Budget, Protocol, RunSpec

CPU = Execution(device="cpu", threads=1, engine="loop")
WAYS, SHOTS = 3, 3
FEW = Budget(name="custom", train_tasks=4, validation_tasks=2, validate_every=2, test_tasks=2)
SHORT = 2  # steps of every kind, wherever what is checked does not hang on their number
TASK_KEY = b"mlbench check, 1"


@dataclass(frozen=True, kw_only=True)
class PatchesOptions(Hyper):
    """In which form."""

    image_size: int = hp(16, "pixels a side", one_of=(16, 32))


class Patches(ImageDataset):
    """Classes told apart at a glance: a pattern of grey squares each, moved about, under noise."""

    name = "patches"
    source = "generated"
    default_queries = 4
    Options = PatchesOptions
    options: PatchesOptions
    CLASSES: ClassVar[dict[Split, range]] = dict(
        zip(SPLITS, (range(12), range(12, 20), range(20, 28)), strict=True)
    )
    EACH = 20  # images of a class
    SQUARES = 4  # a side

    @property
    def fingerprint(self) -> str:
        """Return the definition's own name."""
        return f"patches {self.options.image_size}"

    def load(self, split: Split) -> ImageSplit:
        """Draw the images of a split, grey ones."""
        numbers = self.CLASSES[split]
        images = np.concatenate([self.paint(number) for number in numbers])
        return ImageSplit(images, tuple(f"patch {n}" for n in numbers), (self.EACH,) * len(numbers))

    def paint(self, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the images of a class, ``(n, height, width, 1)``."""
        side, squares = self.options.image_size, self.SQUARES**2
        width = 2 + side**2
        uniforms = block_uniforms(TASK_KEY, number, number + 1, squares + self.EACH * width)[0]
        pattern = uniforms[:squares].reshape(self.SQUARES, self.SQUARES)
        pattern = np.kron(pattern, np.ones((side // self.SQUARES,) * 2))
        images = []
        for own in uniforms[squares:].reshape(self.EACH, width):
            moved = np.roll(pattern, (own[:2] * side / 4).astype(int), axis=(0, 1))
            images.append(0.35 * moved + 0.65 * own[2:].reshape(side, side))
        return (np.stack(images)[..., None] * 255).astype(np.uint8)


class Lines(Dataset):
    """Straight lines through one region of the plane: to have learnt the region is half of it."""

    name = "lines"
    source = "generated"
    kind = "regression"
    default_queries = 8

    @property
    def fingerprint(self) -> str:
        """Return the definition's own name."""
        return "lines"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(1,)``."""
        return (1,)

    def check(self, stream: Stream) -> None:
        """Give anything: there are lines enough."""

    def draw(
        self, stream: Stream, start: int, stop: int, *, device: torch.device, dtype: torch.dtype
    ) -> TaskBatch:
        """Return lines; ``x`` and ``y`` are ``(tasks, examples, 1)``."""
        width = 2 + stream.shots + stream.queries
        uniforms = torch.from_numpy(stream.uniforms(start, stop, width)).to(device, dtype)
        slope, height, x = (uniforms[..., None] - 0.5).tensor_split((1, 2), dim=1)
        x = 4 * x
        y = 2 + 2 * slope * x + 2 * height
        split = (stream.shots, stream.queries)
        return TaskBatch(*map(Batch, x.split(split, dim=1), y.split(split, dim=1)))


@dataclass(frozen=True)
class Technique:
    """A technique on one kind of tiny problem: what its checks are handed.

    Args:
        cls: The plugin.
        kind: Which problem.
        roomy: Whether images and their learner are large enough for a head alone to learn.
    """

    cls: type[Algorithm]
    kind: ProblemKind
    roomy: bool = False

    def __str__(self) -> str:
        return self.kind

    @cached_property
    def data(self) -> Dataset:
        """Return where its tasks come from."""
        if self.kind == "regression":
            return Lines()
        return Patches(PatchesOptions(image_size=32 if self.roomy else 16))

    def defaults(self) -> Hyper:
        """Return the hyperparameters as a run of this kind has them."""
        applying = situations(self.kind, SHOTS, "corrected")
        return self.cls.Hyper.parse({}, situations=applying, owner=self.cls.name)

    def hyper(self, **wanted: Any) -> Hyper:
        """Return hyperparameters with few steps, and as wanted as far as the technique has them."""
        hyper = self.defaults()
        for name, value in hyper.values().items():
            if "steps" in name and isinstance(value, int) and value > SHORT:
                hyper = changed(hyper, name, SHORT)
        for name, value in {"meta_batch": 2, **wanted}.items():
            hyper = changed(hyper, name, value)
        return hyper

    def experiment(self, hyper: Hyper, budget: Budget = FEW, seed: int = 0) -> Experiment:
        """Return a run's worth of this problem."""
        regression = self.kind == "regression"
        channels = 8 if self.roomy else 4
        options = MLPOptions(hidden=(8,)) if regression else Conv4Options(channels=channels)
        name, data = type(self.data).name, self.data
        spec = RunSpec(
            algorithm=self.cls.name,
            hyperparameters=hyper.values(),
            train_dataset=name,
            eval_datasets=(),
            kind=self.kind,
            ways=None if regression else WAYS,
            shots=SHOTS,
            queries=8 if regression else 4,
            seed=seed,
            protocol_name="corrected",
            protocol=Protocol(),
            budget=budget,
            precision="float32",
            learner=options.values(),
            options={name: data.options.values()},
            fingerprints={name: data.fingerprint},
        )
        return assemble(spec, self.cls, {name: data})

    @cached_property
    def problem(self) -> Problem:
        """Return what is to be learnt."""
        return self.experiment(self.defaults()).problem

    def build(
        self,
        hyper: Hyper | None = None,
        *,
        engine: Engine | None = None,
        problem: Problem | None = None,
        normalisation: Normalisation = "transductive",
    ) -> Algorithm:
        """Return an instance, short of steps and looping over tasks unless told otherwise."""
        problem = replace(problem or self.problem, normalisation=normalisation)
        return self.cls(hyper or self.hyper(), problem, engine or Loop())

    def meta(self, algorithm: Algorithm, seed: int = 0) -> Parameters:
        """Return meta-parameters to start from, in float64."""
        drawn = algorithm.initialise(torch.Generator().manual_seed(seed))
        return {name: value.detach().double() for name, value in drawn.items()}

    def lessons(self, algorithm: Algorithm, number: int = 0) -> TaskBatch:
        """Return what meta-step ``number`` is given: two tasks, or a flat batch."""
        stream = self.experiment(algorithm.hyper).training_stream(algorithm)
        width = 1 if stream.flat else 2
        return self.data.draw(stream, number * width, (number + 1) * width, **float64())

    def tasks(self, count: int = 3) -> TaskBatch:
        """Return tasks to predict for, of classes that no lesson shows."""
        name = type(self.data).name
        stream = self.experiment(self.defaults()).stream(name, "validation")
        return self.data.draw(stream, 0, count, **float64())

    @property
    def outputs(self) -> int:
        """Return how many outputs a prediction for a query has."""
        return 1 if self.kind == "regression" else WAYS


def float64() -> dict[str, Any]:
    """Return where and in which precision checks take their tasks."""
    return {"device": torch.device("cpu"), "dtype": torch.float64}


def changed(hyper: Hyper, name: str, value: Any) -> Hyper:
    """Return hyperparameters with another value, or as they are where that is not admitted."""
    if name not in {each.name for each in fields(hyper)}:
        return hyper
    try:
        return replace(hyper, **{name: value})
    except MisuseError:
        return hyper


def chance(start: int, stop: int) -> Randomness:
    """Return the random numbers of tasks."""
    return Randomness(TASK_KEY, start, stop)


def noise_tasks(count: int, queries: int) -> Iterator[TaskBatch]:
    """Yield tasks whose inputs say nothing of the labels, in the two orders one might rely on.

    Queries stand class after class, then in turns; support labels run through the classes.
    """
    generator = torch.Generator().manual_seed(0)
    grouped = torch.arange(WAYS).repeat_interleave(queries)
    in_turns = torch.arange(WAYS).repeat(queries)
    for labels in (grouped, in_turns):
        shown = torch.arange(WAYS).repeat_interleave(SHOTS)
        yield TaskBatch(
            *(
                Batch(
                    torch.rand(count, len(y), 1, 16, 16, generator=generator),
                    y.expand(count, -1),
                )
                for y in (shown, labels)
            )
        )
