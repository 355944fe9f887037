"""Prototypical networks against distances computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mlbench.contract import Batch, Problem, TaskBatch
from mlbench.embedding import EmbeddingBased
from mlbench.engines import Loop
from mlbench.errors import MisuseError
from mlbench.learners import MLP
from mlbench.registry import load_algorithm
from mlbench.run.device import Execution
from mlbench.run.setup import Request, prepare

WAYS = 4
CPU = Execution(device="cpu", threads=1, engine="loop")


def protonet(train_classes: int | None = None, **hyper: int) -> EmbeddingBased:
    algorithm = load_algorithm("protonet")
    problem = Problem("classification", MLP(1, WAYS), train_classes=train_classes)
    built = algorithm(algorithm.Hyper(**hyper), problem, Loop())
    assert isinstance(built, EmbeddingBased)
    return built


def features(labels: list[int], seed: int) -> tuple[Batch, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    support, query = (
        torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (len(labels), 9)
    )
    return Batch(support, torch.tensor(labels)), query


@pytest.mark.parametrize("labels", [[3, 0, 1, 2, 0], [1, 1, 3, 0, 2, 1, 2, 0]])
def test_logits_are_minus_the_squared_distances_to_the_class_means(labels: list[int]) -> None:
    support, query = features(labels, seed=len(labels))
    x, q = support.x.numpy(), query.numpy()
    expected = np.zeros((len(q), WAYS))
    for k in range(WAYS):
        members = [row for row, label in zip(x, labels, strict=True) if label == k]
        mean = sum(members) / len(members)
        for i, each in enumerate(q):
            expected[i, k] = -np.dot(each - mean, each - mean)
    found = protonet().read_out({}, support, query, WAYS)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_one_shot_it_is_the_nearest_neighbour(seed: int) -> None:
    labels = [2, 0, 3, 1]
    support, query = features(labels, seed)
    nearest = torch.cdist(query, support.x).argmin(1)
    assert torch.equal(protonet().read_out({}, support, query, WAYS).argmax(1), support.y[nearest])


def test_moving_the_embedding_changes_nothing() -> None:
    support, query = features([3, 0, 1, 2, 0], seed=1)
    q, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    moved = Batch(support.x @ q + 1.5, support.y)
    torch.testing.assert_close(
        protonet().read_out({}, moved, query @ q + 1.5, WAYS),
        protonet().read_out({}, support, query, WAYS),
    )


def test_a_training_task_may_have_more_classes_than_one_of_the_test() -> None:
    ways, technique = 9, protonet(train_classes=30, train_ways=9)
    draw = torch.Generator().manual_seed(3)
    meta = {k: v.double() for k, v in technique.initialise(draw).items()}
    labels = torch.arange(ways)
    x = torch.randn(2, ways, 1, generator=draw, dtype=torch.float64)
    tasks = TaskBatch(Batch(x[:1], labels[None]), Batch(x[1:], labels[None]))
    shown, asked = technique.problem.embed(meta["body"], x[0], x[1])
    logits = -torch.cdist(asked, shown).square()
    taught = technique.meta_step(meta, tasks)
    torch.testing.assert_close(taught.predictions[0], logits, rtol=1e-9, atol=1e-12)
    assert any(float(gradient.abs().max()) > 0 for gradient in taught.gradients.values())


def test_training_tasks_have_the_papers_ways_or_all_classes_that_there_are() -> None:
    for shots, known, expected in ((1, 64, (60, 5)), (5, 64, (20, 15)), (1, 30, (30, 5))):
        request = Request(
            algorithm="protonet",
            train="shapes",
            shots=shots,
            settings={"shapes.train_classes": str(known)},
        )
        experiment = prepare(request)
        stream = experiment.training_stream(experiment.algorithm(CPU))
        assert (stream.ways, stream.queries, stream.shots) == (*expected, shots)
        assert experiment.stream("shapes", "test").ways == 5


def test_training_tasks_that_the_data_cannot_give_are_refused_before_a_run_begins() -> None:
    few = {"shapes.images_per_class": "12"}
    with pytest.raises(MisuseError, match=r"20 ways and 15 queries: .* --set train_queries"):
        prepare(Request(algorithm="protonet", train="shapes", queries=3, settings=few))
    settings = few | {"train_queries": "5"}
    prepare(Request(algorithm="protonet", train="shapes", queries=3, settings=settings))
