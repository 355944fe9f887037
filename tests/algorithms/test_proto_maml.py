"""Proto-MAML against prototypical networks and against its inner loop, written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mlbench.contract import (
    Algorithm,
    Batch,
    Normalisation,
    Parameters,
    Problem,
    Randomness,
    TaskBatch,
)
from mlbench.engines import Loop
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import load_algorithm

WAYS = 3
LABELS = torch.tensor([[2, 0, 1, 0, 2, 2], [1, 1, 2, 0, 0, 1]])
RANDOMNESS = Randomness(bytes(16), 0, 2)
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}


def build(name: str, normalisation: Normalisation = "transductive", **settings: Any) -> Algorithm:
    learner = Conv4((2, 16, 16), WAYS, Conv4Options(channels=4))
    algorithm = load_algorithm(name)
    problem = Problem("classification", learner, normalisation)
    return algorithm(algorithm.Hyper(**settings), problem, Loop())


def draw() -> TaskBatch:
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(2, 11, 2, 16, 16, generator=generator, dtype=torch.float64)
    answers = torch.randint(WAYS, (2, 5), generator=generator)
    return TaskBatch(Batch(x[:, :6], LABELS), Batch(x[:, 6:], answers))


def start(algorithm: Algorithm) -> Parameters:
    generator = torch.Generator().manual_seed(5)
    body = algorithm.initialise(generator)["body"].double()
    return {"body": body + 0.1 * torch.randn(body.shape, generator=generator)}


def written_out(
    algorithm: Algorithm, body: Tensor, support: Batch, *, steps: int, rate: float, order: int
) -> Tensor:
    """Return θ after ``steps`` steps of plain autograd from the head of the prototypes."""
    learner = algorithm.problem.learner
    features = learner.features(body, support.x)
    means = torch.stack([features[support.y == k].mean(0) for k in range(WAYS)])
    theta = torch.cat((body, 2 * means.flatten(), -(means * means).sum(1)))
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(learner(theta, support.x), support.y)
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        theta = theta - rate * (gradient if order == 2 else gradient.detach())
    return theta


@pytest.mark.parametrize("order", [1, 2])
def test_it_is_gradient_descent_on_all_weights_from_the_head_of_the_prototypes(
    order: int,
) -> None:
    tasks = draw()
    algorithm = build(
        "proto_maml", train_steps=3, test_steps=3, inner_lr=0.02, order=order, clip=None
    )
    meta = start(algorithm)
    taught = algorithm.meta_step(meta, tasks)
    expected = torch.zeros_like(meta["body"])
    for index in range(tasks.task_count):
        support, query = tasks.task(index)
        body = meta["body"].clone().requires_grad_()
        theta = written_out(algorithm, body, support, steps=3, rate=0.02, order=order)
        logits = algorithm.problem.learner(theta, query.x)
        torch.testing.assert_close(taught.predictions[index], logits.detach(), **CLOSE)
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, query.y), body)
        expected += gradient.clamp(-10, 10)
    torch.testing.assert_close(taught.gradients["body"], expected, **CLOSE)
    torch.testing.assert_close(
        algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        taught.predictions,
        **CLOSE,
    )


def test_with_a_vanishing_rate_it_is_the_prototypical_network() -> None:
    # inductive: its prototypes are normalised by the support set alone, as a support loss is
    tasks = draw()
    settings = {"inner_lr": 1e-14, "test_steps": 4}
    proto_maml = build("proto_maml", "inductive", **settings)
    meta = start(proto_maml)
    logits, distances = (
        algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
        for algorithm in (proto_maml, build("protonet", "inductive"))
    )
    torch.testing.assert_close(logits.log_softmax(-1), distances.log_softmax(-1), **CLOSE)
    apart = logits - distances
    torch.testing.assert_close(apart, apart[..., :1].expand_as(apart), **CLOSE)


def test_its_gradient_of_the_body_is_clipped_task_by_task() -> None:
    support, query = draw()
    first = TaskBatch(*(Batch(part.x[:1], part.y[:1]) for part in (support, query)))
    bare, clipped = (build("proto_maml", train_steps=1, meta_clip=bound) for bound in (None, 1e-3))
    meta = start(bare)
    gradient = bare.meta_step(meta, first).gradients["body"]
    assert float(gradient.abs().max()) > 1e-3
    found = clipped.meta_step(meta, first).gradients
    assert found.keys() == {"body"}
    torch.testing.assert_close(found["body"], gradient.clamp(-1e-3, 1e-3))
