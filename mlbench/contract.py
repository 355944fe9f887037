"""What a plugin sees: the classes it derives from and the types it is handed.

A technique derives from :class:`Algorithm` (one that differs from MAML in its update rule only,
from :class:`mlbench.inner.GradientBased`); a data set from :class:`Dataset` (one made of images,
from :class:`mlbench.images.ImageDataset`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench.episodes import SPLITS, Split, Stream, block_uniforms
from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, hp
from mlbench.normalise import by_batch, by_first

if TYPE_CHECKING:
    from mlbench.engines import Engine
    from mlbench.learners import Learner

__all__ = [
    "SPLITS",
    "Algorithm",
    "Batch",
    "Dataset",
    "Hyper",
    "MetaStep",
    "Normalisation",
    "Parameters",
    "Problem",
    "ProblemKind",
    "Randomness",
    "Restores",
    "Split",
    "Stream",
    "TaskBatch",
    "Training",
    "hp",
]

ProblemKind = Literal["regression", "classification"]
Normalisation = Literal["transductive", "inductive"]
Training = Literal["episodes", "batches", "none"]
Restores = Literal["everything", "theta", "nothing"]
Parameters = dict[str, Tensor]
"""The meta-parameters Θ by name; θ, the initial weights of the base-learner, is ``theta``."""


class Batch(NamedTuple):
    """Examples: inputs ``x`` and what they should give, ``y``.

    Regression has ``x`` and ``y`` of shape ``(n, 1)``; classification has ``x`` of shape
    ``(n, channels, height, width)``, in [0, 1], and ``y`` of shape ``(n,)``, int64 labels.
    """

    x: Tensor
    y: Tensor


class TaskBatch(NamedTuple):
    """Episodes, stacked: every tensor has the task as its first dimension.

    The order of the queries says nothing of their labels. A flat batch is a task whose support set
    is empty; its labels run over all training classes.
    """

    support: Batch
    query: Batch

    @property
    def task_count(self) -> int:
        """Return how many tasks these are."""
        return self.support.x.shape[0]

    def task(self, index: int) -> TaskBatch:
        """Return one task, without the leading dimension."""
        return TaskBatch(*(Batch(part.x[index], part.y[index]) for part in self))


@dataclass(frozen=True)
class Problem:
    """What is to be learnt, and by which base-learner.

    Args:
        kind: Decides loss and score.
        learner: The base-learner, a pure function of a flat parameter vector.
        normalisation: Which statistics batch-norm gives the queries of a task: their own
            (``transductive``), or those of the support set, so that a prediction depends on no
            other query (``inductive``).
        train_classes: Classes of the training split; ``None`` for regression.
    """

    kind: ProblemKind
    learner: Learner
    normalisation: Normalisation = "transductive"
    train_classes: int | None = None

    def answer(self, theta: Tensor, support_x: Tensor, query_x: Tensor) -> Tensor:
        """Return one task's predictions for its queries, by weights adapted to its support set.

        Args:
            theta: ``(n,)``.
            support_x: Inputs of the support set; they matter to inductive batch-norm alone.
            query_x: Inputs, ``(n, ...)``.

        Returns:
            ``(n, outputs)``.
        """
        if self.normalisation == "transductive":
            return self.learner(theta, query_x)
        both = self.learner(theta, torch.cat((support_x, query_x)), by_first(len(support_x)))
        return both[len(support_x) :]

    def embed(self, body: Tensor, support_x: Tensor, query_x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of one task's support and query inputs, ``(n, features)`` each.

        For techniques that compare the two, which must be normalised alike: by the statistics of
        both together (transductive), or by those of the support set (inductive).

        Args:
            body: The weights below the head, ``(n,)``.
            support_x: Inputs, ``(n, ...)``.
            query_x: Likewise.
        """
        split = len(support_x)
        rule = by_batch if self.normalisation == "transductive" else by_first(split)
        features = self.learner.features(body, torch.cat((support_x, query_x)), rule)
        return features[:split], features[split:]

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over one task's examples, a scalar.

        Mean squared error for regression; cross-entropy (natural logarithm) for classification.
        """
        if self.kind == "regression":
            return F.mse_loss(prediction, target)
        return F.cross_entropy(prediction, target)

    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Return :meth:`loss` of every task: ``(tasks, n, outputs)`` to ``(tasks,)``."""
        return torch.stack([self.loss(p, t) for p, t in zip(predictions, targets, strict=True)])

    def scores(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Return accuracy in [0, 1] (classification) or mean squared error, ``(tasks,)``."""
        if self.kind == "regression":
            return (predictions - targets).square().flatten(1).mean(1)
        return (predictions.argmax(-1) == targets).to(predictions.dtype).mean(1)

    @property
    def higher_is_better(self) -> bool:
        """Return whether a larger score is the better one."""
        return self.kind == "classification"


@dataclass(frozen=True)
class Randomness:
    """Random numbers of consecutive tasks: what a task gets depends on no other task.

    Args:
        key: 16 bytes; one for each stream and each seed of a run.
        start: The first task's place in its stream.
        stop: One past the last one's.
    """

    key: bytes
    start: int
    stop: int

    def uniform(self, *shape: int, like: Tensor) -> Tensor:
        """Return numbers in [0, 1), ``(tasks, *shape)``; asked for again, the same.

        Draw all that a task needs at once: another shape gives unrelated numbers.
        """
        key = blake2b(str(shape).encode(), key=self.key, digest_size=16).digest()
        rows = block_uniforms(key, self.start, self.stop, prod(shape))
        below_one = 1 - torch.finfo(like.dtype).eps  # which rounding must not reach
        return torch.from_numpy(rows).clamp(max=below_one).to(like).view(-1, *shape)


class MetaStep(NamedTuple):
    """What one meta-batch teaches.

    Args:
        gradients: By name, the sum over the tasks of the (clipped) meta-gradients.
        predictions: For the query inputs, ``(tasks, n, outputs)``, detached.
        averages: By name, new values of those meta-parameters that follow the data instead of a
            gradient, as the running statistics of batch-norm do.
    """

    gradients: Parameters
    predictions: Tensor
    averages: Parameters = {}  # noqa: RUF012 - never changed


class Algorithm(ABC):
    """A few-shot learning technique: pure functions of its meta-parameters.

    An instance keeps no state: what training changes lies in ``meta``, which the harness
    optimises, saves, restores and hands back. Of the hyperparameters it reads those of these names,
    where there are any: ``meta_lr``, ``meta_batch``, ``flat_batch``, ``train_ways``,
    ``train_queries`` and ``order``.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    Hyper: ClassVar[type[Hyper]] = Hyper
    kinds: ClassVar[tuple[ProblemKind, ...]] = ("regression", "classification")
    training: ClassVar[Training] = "episodes"
    """What meta-training meets: episodes; flat batches, which ``meta_step`` gets one at a time, as
    a task without a support set; or nothing, and ``meta_step`` is not called."""
    released_restores: ClassVar[Restores] = "everything"
    """What the authors' code takes from the best validated state before the test."""
    stackable: ClassVar[bool] = False
    """Whether runs of several seeds may be computed as one program: ``meta_step`` and ``predict``
    are then run once for all of them, under ``torch.func.vmap`` over Θ and the tasks. So they leave
    nothing to chance, and what they do with Θ is done by the engine or by plain operations."""

    def __init__(self, hyper: Any, problem: Problem, engine: Engine) -> None:
        self.hyper = hyper
        self.problem = problem
        self.engine = engine

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> Parameters:
        """Return meta-parameters to start from, on the CPU in float32, drawn from ``generator``."""

    @abstractmethod
    def meta_step(self, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        """Return the meta-gradient over a meta-batch; ``meta`` is left as it is."""

    @abstractmethod
    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, randomness: Randomness
    ) -> Tensor:
        """Learn each task from its support set and predict for its queries.

        Args:
            meta: Meta-parameters.
            support: Stacked over tasks.
            query_x: Inputs alone, ``(tasks, n, ...)``.
            randomness: The only source of what a technique leaves to chance.

        Returns:
            ``(tasks, n, outputs)``: logits, or values for regression.
        """

    @property
    def exact(self) -> bool:
        """Return whether ``meta_step`` returns the very gradient of the sum of the query losses.

        Where it is not, as in first order, ``mlbench check`` compares no finite differences.
        """
        return getattr(self.hyper, "order", 2) == 2

    def optimiser(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        """Return the optimiser of Θ: Adam at ``meta_lr`` (1e-3 where a technique names none)."""
        return torch.optim.Adam(parameters, lr=getattr(self.hyper, "meta_lr", 1e-3))

    @property
    def meta_batch(self) -> int:
        """Return how many tasks make one meta-step."""
        return int(getattr(self.hyper, "meta_batch", 1))

    @property
    def train_ways(self) -> int | None:
        """Return how many classes a training episode has, if not as many as one of the test.

        No more than the data have to train on.
        """
        wanted: int | None = getattr(self.hyper, "train_ways", None)
        if wanted is None or self.problem.train_classes is None:
            return None
        return min(wanted, self.problem.train_classes)

    @property
    def train_queries(self) -> int | None:
        """Return how many queries a class of a training episode has, if not as in the test."""
        queries: int | None = getattr(self.hyper, "train_queries", None)
        return queries

    @property
    def flat_batch(self) -> int:
        """Return how many examples make one flat batch."""
        return int(getattr(self.hyper, "flat_batch", 16))


class Dataset(ABC):
    """Where episodes come from."""

    name: ClassVar[str]
    source: ClassVar[str]
    kind: ClassVar[ProblemKind]
    default_queries: ClassVar[int]
    Options: ClassVar[type[Hyper]] = Hyper

    def __init__(self, options: Hyper | None = None) -> None:
        self.options = self.Options() if options is None else options

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Return what tells these data from all others: equal fingerprints, equal episodes."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one input: ``(1,)`` or ``(channels, height, width)``."""

    @property
    def train_classes(self) -> int | None:
        """Return how many classes the training split has; ``None`` for regression."""
        return None

    @property
    def incomplete(self) -> str | None:
        """Return what is missing, in a few words, or ``None`` for a whole data set."""
        return None

    def like(self, shape: tuple[int, ...]) -> Dataset:
        """Return this data set with inputs of another shape (a cross-domain test needs that).

        Raises:
            MisuseError: It has no such form.
        """
        if shape != self.input_shape:
            raise MisuseError(
                f"{self.name} has inputs of shape {self.input_shape}, not {shape};"
                " choose data sets of one kind"
            )
        return self

    @abstractmethod
    def check(self, stream: Stream) -> None:
        """Refuse a stream that these data cannot give.

        Raises:
            MisuseError: More ways than classes, more shots and queries than images, or flat
                batches where there are no classes.
        """

    @abstractmethod
    def draw(
        self, stream: Stream, start: int, stop: int, *, device: torch.device, dtype: torch.dtype
    ) -> TaskBatch:
        """Return episodes ``start`` to ``stop - 1`` of a stream, stacked.

        A flat stream asks for tasks with an empty support set and ``stream.queries`` examples of
        any class, whose labels run over the classes of the split.
        """
